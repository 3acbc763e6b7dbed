// NestJS @Sse on Express: one rxjs Subject per channel. (The other idiom, one Subject
// for all that every stream filters, costs a call per stream for each event.)
import "reflect-metadata";
import { Controller, Module, Param, Post, Query, Sse, type MessageEvent } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { Observable, Subject } from "rxjs";
// @ts-ignore: plain JavaScript, shared with the other Node peer
import { orderUpdate, publishAll } from "../event.mjs";

const subjects = new Map<string, Subject<MessageEvent>>();

function subject(name: string): Subject<MessageEvent> {
  let found = subjects.get(name);
  if (!found) subjects.set(name, (found = new Subject<MessageEvent>()));
  return found;
}

@Controller()
class Streams {
  @Sse("stream/:channel")
  stream(@Param("channel") channel: string): Observable<MessageEvent> {
    return subject(channel).asObservable();
  }

  @Post("publish")
  publish(@Query() ask: Record<string, string>) {
    const plan = {
      prefix: ask.prefix,
      channels: Number(ask.channels),
      first: Number(ask.first),
      count: Number(ask.count),
      rate: Number(ask.rate),
    };
    return publishAll(plan, (name: string, sequence: number) =>
      subject(name).next({
        data: orderUpdate(sequence),
        type: "order_update",
        id: String(sequence),
      }));
  }
}

@Module({ controllers: [Streams] })
class App {}

const app = await NestFactory.create(App, { logger: ["error", "warn"] });
await app.init();
app.getHttpServer().listen(Number(process.env.PORT), "127.0.0.1", 4096);
