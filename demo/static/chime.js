/** Two soft notes. Browsers allow sound only after a tap, so call `enable` from one. */
export class Chime {
  #audio = null;
  isOn = false;

  enable() {
    this.#audio ??= new AudioContext();
    this.isOn = true;
    this.ring();
  }

  disable() {
    this.isOn = false;
  }

  ring() {
    if (!this.isOn) return;
    this.#audio.resume(); // a phone call, or its sleep, may have suspended it
    this.#note(659.3, 0); // E5
    this.#note(880, 0.18); // A5
  }

  #note(frequency, delaySeconds) {
    const start = this.#audio.currentTime + delaySeconds;
    const [tone, volume] = [this.#audio.createOscillator(), this.#audio.createGain()];
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.2, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.7);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(start);
    tone.stop(start + 0.75);
  }
}
