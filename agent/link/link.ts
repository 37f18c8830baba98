// The conversation with the hub: hello with a fresh nonce, what comes back, and the knowledge of how fresh that is.
// What was heard is handed on unjudged; whoever accepts an assignment says so here, and that makes it an answer.

import { Ack, Command, type Hello } from '@roost/shared/protocol/messages.ts'
import type { DownKind, UpKind } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { afterAnswer, afterHello, type FreshnessLimits, helloDueAt, isStale, newFreshness } from './freshness.ts'
import { Session, type SessionOptions } from './session.ts'

export type LinkOptions = SessionOptions & {
  freshness: FreshnessLimits
  /** How long this device was without a fresh answer when the process began. */
  alreadyWithoutMs: number
  /** Everything of a hello that others know. */
  describe: () => Omit<Hello, 'nonce' | 'stale'>
}

/** A hello of this connection, to which an assignment may be the answer. `ordinal` counts from 1. */
export type Question = { nonce: Uint8Array; ordinal: number; askedAt: number }

export type LinkHandlers = {
  onAssign: (bytes: Uint8Array, questions: { latest: Question; earlier: readonly Question[] }) => void
  onAck: (ack: Ack) => void
  onCommand: (command: Command) => void
  onOther: (topic: string, bytes: Uint8Array) => void
  onUp: () => void
  onDown: () => void
  onStale: (stale: boolean) => void
}

const nonceBytes = 16
/** Earlier hellos of this connection that an answer may still be on its way to. */
export const earlierMax = 8
const lookEveryMs = 250

export class Link {
  readonly #options: LinkOptions
  readonly #handlers: LinkHandlers
  readonly #session: Session
  #freshness
  #questions: Question[] = []
  #stale: boolean
  #timer: NodeJS.Timeout | undefined

  constructor(options: LinkOptions, handlers: LinkHandlers) {
    this.#options = options
    this.#handlers = handlers
    this.#freshness = newFreshness(options.now(), options.alreadyWithoutMs)
    this.#stale = isStale(this.#freshness, options.freshness, options.now())
    this.#session = new Session(options, {
      onUp: () => {
        handlers.onUp()
        this.hello()
      },
      onDown: () => {
        this.#questions = []
        handlers.onDown()
      },
      onMessage: (kind, bytes) => this.#take(kind, bytes),
      onOther: handlers.onOther,
    })
  }

  get isUp(): boolean {
    return this.#session.isUp
  }

  /** The broker turned this device away when it last asked. */
  get isRefused(): boolean {
    return this.#session.isRefused
  }

  get isStale(): boolean {
    return this.#stale
  }

  /** How long ago the hub last gave a fresh answer that was accepted. */
  get withoutAnswerMs(): number {
    return this.#options.now() - this.#freshness.freshAt
  }

  get hellos(): { count: number; at: number } {
    return { count: this.#freshness.count, at: this.#freshness.sentAt }
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), lookEveryMs)
    this.#session.start()
  }

  /** Asks what is wished now, with a new nonce; answers to earlier ones no longer count. */
  hello(): void {
    const { describe, log, now, random } = this.#options
    const question = { nonce: random(nonceBytes), ordinal: this.#freshness.count + 1, askedAt: now() }
    this.#freshness = afterHello(this.#freshness, question.askedAt)
    this.#questions = [question, ...this.#questions].slice(0, earlierMax + 1)
    const hello: Hello = { ...describe(), nonce: question.nonce, stale: this.#stale }
    void this.#session.publish('hello', encode(hello), 1).then((sent) => {
      if (!sent) log.info({ ordinal: question.ordinal }, 'hello did not reach the broker')
    })
  }

  /** An assignment that answers the latest hello was accepted. */
  answered(): void {
    this.#freshness = afterAnswer(this.#freshness, this.#options.now())
    this.#look()
  }

  publish(kind: UpKind, bytes: Uint8Array, qos: 0 | 1): Promise<boolean> {
    return this.#session.publish(kind, bytes, qos)
  }

  subscribe(filter: string): Promise<boolean> {
    return this.#session.subscribe(filter)
  }

  unsubscribe(filter: string): Promise<void> {
    return this.#session.unsubscribe(filter)
  }

  close(): Promise<void> {
    clearInterval(this.#timer)
    return this.#session.close()
  }

  #look(): void {
    const { freshness: limits, now } = this.#options
    const stale = isStale(this.#freshness, limits, now())
    if (stale !== this.#stale) {
      this.#stale = stale
      this.#handlers.onStale(stale)
    }
    if (this.#session.isUp && now() >= helloDueAt(this.#freshness, limits)) this.hello()
  }

  #take(kind: DownKind, bytes: Uint8Array): void {
    const [latest, ...earlier] = this.#questions
    switch (kind) {
      case 'assign':
        if (latest !== undefined) this.#handlers.onAssign(bytes, { latest, earlier })
        break
      case 'ack':
        this.#read(Ack, bytes, this.#handlers.onAck)
        break
      case 'command':
        this.#read(Command, bytes, this.#handlers.onCommand)
        break
    }
  }

  #read<T>(schema: Parameters<typeof decode<T>>[0], bytes: Uint8Array, take: (message: T) => void): void {
    const decoded = decode(schema, bytes)
    if (decoded.ok) take(decoded.message)
    else this.#options.log.warn({ reason: decoded.reason }, 'a message of the hub does not fit and is dropped')
  }
}
