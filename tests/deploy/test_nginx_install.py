"""The documented installation, over a copy of the files of Debian's package."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.documents import examples
from tests.support.programs import REPOSITORY, find_program, free_port

pytestmark = pytest.mark.nginx

GUIDE = REPOSITORY / "docs" / "operations" / "deployment.md"
DEBIANS = Path("/etc/nginx")

#: Paths outside of that folder that its files name, if the package has them.
ELSEWHERE = ("/run", "/var/cache/nginx", "/var/lib/nginx", "/var/log/nginx")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder that nginx uses as ``/``, with the package just installed."""
    if not (DEBIANS / "sites-enabled" / "default").exists():
        pytest.skip("Debian's own nginx configuration is missing from /etc/nginx")
    machine = tmp_path / "machine"
    for folder in filter(Path.is_dir, map(Path, ELSEWHERE)):
        (machine / folder.relative_to("/")).mkdir(parents=True)
    shutil.copytree(DEBIANS, machine / "etc" / "nginx")
    return machine


def move(folder: Path, machine: Path, ports: dict[str, int]) -> None:
    """Change the files in ``folder`` to name paths in ``machine``, and other ports."""
    for path in filter(Path.is_file, folder.rglob("*")):
        text = re.sub(r"(?<![\w.$}])/(?=(?:etc|run|var)/)", f"{machine}/", path.read_text())
        # Not every machine has IPv6. An error in a port affects both families.
        text = re.sub(r"^\s*listen \[::\]", r"#\g<0>", text, flags=re.M)
        path.write_text(re.sub(r"(?<=listen )(80|443)\b", lambda m: str(ports[m[0]]), text))


def test_the_documented_commands_install_over_debians_own_files(
    machine: Path, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    shutil.copytree(REPOSITORY / "deploy" / "nginx", release / "deploy" / "nginx")
    certificates = machine / "etc" / "ssl" / "restaurant-notifications"
    certificates.mkdir(parents=True)
    make_certificate(certificates / "fullchain.pem", certificates / "privkey.pem")
    # Ports that need no privileges.
    ports = {"80": free_port(), "443": free_port()}
    for folder in (machine / "etc" / "nginx", release):
        move(folder, machine, ports)

    [block] = [each.code for each in examples(GUIDE, "") if "nginx -t" in each.code]
    program = f"{find_program('nginx')} -c {machine}/etc/nginx/nginx.conf -e stderr"
    stand_ins = f'nginx() {{ {program} "$@"; }}\nsystemctl() {{ echo "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-euc", stand_ins + block.replace(" /etc/", f" {machine}/etc/")],
        cwd=release,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "reload nginx\n"
