import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RequestBodySink } from '../wire/front-exchange.ts'
import type { UpstreamExchange } from '../wire/upstream-exchange.ts'
import type { Attempt } from './attempt.ts'
import type { ClientExchange } from './client-exchange.ts'
import { RequestRelay } from './request-relay.ts'

/** A client whose body comes when the test says so. */
class FakeClient {
  readonly head = { framing: { kind: 'chunked' }, expectsContinue: false }
  isPaused = false
  readBody(_sink: RequestBodySink): void {
    // The test is the sender.
  }
  resumeBody(): void {
    this.isPaused = false
  }
}

/** An upstream that remembers what it was given. */
class FakeUpstream {
  text = ''
  isEnded = false
  readonly isOver = false
  readonly pendingBytes = 0
  isTaking = true
  write(piece: Buffer): boolean {
    this.text += piece.toString()
    return this.isTaking
  }
  end(): void {
    this.isEnded = true
  }
}

function relayOf(bytesMax: number) {
  const client = new FakeClient()
  let completions = 0
  const owner = { bodyComplete: () => (completions += 1), bodyAwaited: () => undefined }
  const relay = new RequestRelay(client as unknown as ClientExchange, bytesMax, owner)
  const send = (text: string) => {
    if (!relay.onPiece(Buffer.from(text))) client.isPaused = true
  }
  const give = (upstream: FakeUpstream) => {
    const exchange = upstream as unknown as UpstreamExchange
    relay.giveTo({ exchange, role: 'lead', isConnected: true } as unknown as Attempt)
    return () => relay.detach(exchange)
  }
  return { client, relay, send, give, completions: () => completions }
}

test('a second upstream is given all that the first was, then the rest', () => {
  const { send, give, relay, completions } = relayOf(100)
  const [first, second] = [new FakeUpstream(), new FakeUpstream()]
  const leave = give(first)
  send('one ')
  leave()
  send('two ')
  give(second)
  send('three')
  relay.onEnd([])
  assert.deepEqual([first.text, second.text], ['one ', 'one two three'])
  assert.deepEqual([first.isEnded, second.isEnded, completions()], [false, true, 1])
})

test('what is longer than the limit is passed on and cannot be sent again', () => {
  const { send, give, relay } = relayOf(8)
  const first = new FakeUpstream()
  give(first)
  send('12345678')
  assert.ok(relay.isReplayable)
  send('9')
  assert.ok(!relay.isReplayable)
  assert.equal(first.text, '123456789')
})

test('between two attempts the client waits once the limit is reached, and nothing is lost', () => {
  const { send, give, relay, client } = relayOf(8)
  const leave = give(new FakeUpstream())
  leave()
  send('123456789')
  assert.ok(client.isPaused && relay.isReplayable)
  const second = new FakeUpstream()
  give(second)
  assert.ok(!client.isPaused)
  assert.equal(second.text, '123456789')
})

test('an upstream that is behind holds the client back until it takes more', () => {
  const { send, give, relay, client } = relayOf(100)
  const upstream = new FakeUpstream()
  give(upstream)
  upstream.isTaking = false
  send('x')
  assert.ok(client.isPaused)
  relay.resume()
  assert.ok(!client.isPaused)
})

test('whatever the pieces and wherever the attempts change, each attempt gets a beginning of the body and the last all', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ maxLength: 5 }), fc.boolean())), (steps) => {
      const { send, give, relay } = relayOf(10_000)
      let upstream = new FakeUpstream()
      let leave = give(upstream)
      let sent = ''
      for (const [text, changes] of steps) {
        send(text)
        sent += text
        if (!changes) continue
        if (upstream.text !== sent) return false
        leave()
        upstream = new FakeUpstream()
        leave = give(upstream)
      }
      relay.onEnd([])
      return upstream.text === sent && upstream.isEnded && relay.bytes === Buffer.byteLength(sent)
    }),
  )
})
