import assert from 'node:assert/strict'
import { Agent, createServer, request as httpRequest } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import { duplexPair } from 'node:stream'
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { createBodyReader, defaultBodyLimits } from './body.ts'
import { defaultHeadLimits, parseRequestHead, parseResponseHead } from './head.ts'
import { requestCorpus, responseCorpus } from './smuggling-corpus.fixture.ts'

/**
 * Our parser beside the one of Node.js (llhttp, strict). Whatever we take as a whole message must be the same message to
 * it: method, target, content and where the next one begins. What is ambiguous we refuse, whatever it does.
 */

interface Seen {
  readonly line: string
  readonly content: string
}

/** Messages made by chance in each run; many more were tried when this was written. */
const RUNS = Number(process.env['WIRE_FUZZ_RUNS'] ?? 3_000)
/** Turns of the event loop in which everything in memory has settled. */
const SETTLE_TURNS = 8

async function settle(): Promise<void> {
  for (let turns = 0; turns < SETTLE_TURNS; turns += 1) await turn()
}

/** The whole requests that we find in the bytes, as the front server would serve them. */
function oursOfRequests(bytes: Buffer): readonly Seen[] {
  const seen: Seen[] = []
  for (let at = 0; at < bytes.length;) {
    const parsed = parseRequestHead(bytes, at, bytes.length, defaultHeadLimits)
    if (parsed.kind !== 'head') break
    const body = createBodyReader(parsed.head.framing, defaultBodyLimits)
    let content = ''
    at = body.read(bytes, parsed.end, bytes.length, {
      onBodyPiece: (piece) => {
        content += piece.toString('latin1')
      },
    })
    if (!body.isDone) break
    seen.push({ line: `${parsed.head.method} ${parsed.head.target}`, content })
    if (!parsed.head.keepAlive) break
  }
  return seen
}

let taking: Seen[] = []
const server: Server = createServer({ insecureHTTPParser: false }, (request, response) => {
  const list = taking
  let content = ''
  request.setEncoding('latin1')
  request.on('data', (piece: string) => {
    content += piece
  })
  request.on('end', () => {
    if (request.complete) list.push({ line: `${request.method} ${request.url}`, content })
    response.end()
  })
  request.on('error', () => undefined)
})
// The default cuts the connection, and with it requests ahead of the fault that were whole.
server.on('clientError', () => undefined)
server.on('dropRequest', () => assert.fail('a request was dropped'))

after(() => {
  server.closeAllConnections()
})

async function nodesOfRequests(bytes: Buffer): Promise<readonly Seen[]> {
  const list: Seen[] = []
  taking = list
  const [near, far] = duplexPair()
  far.on('error', () => undefined)
  near.on('error', () => undefined)
  near.resume()
  server.emit('connection', far)
  near.write(bytes)
  await settle()
  near.destroy()
  far.destroy()
  return list
}

async function compareRequests(text: string): Promise<number> {
  const bytes = Buffer.from(text, 'latin1')
  const ours = oursOfRequests(bytes)
  if (ours.length === 0) return 0
  const nodes = await nodesOfRequests(bytes)
  assert.deepEqual(nodes.slice(0, ours.length), ours, `another message in ${JSON.stringify(text)}`)
  return ours.length
}

interface SeenResponse extends Seen {
  readonly isWhole: boolean
}

/** The response that we find in the bytes of a connection that ends behind them. */
function oursOfResponse(bytes: Buffer, method: string): SeenResponse | undefined {
  for (let at = 0; ;) {
    const parsed = parseResponseHead(bytes, at, bytes.length, defaultHeadLimits, method)
    if (parsed.kind !== 'head' || parsed.head.status === 101) return undefined
    at = parsed.end
    if (parsed.head.status < 200) continue
    const body = createBodyReader(parsed.head.framing, defaultBodyLimits)
    let content = ''
    body.read(bytes, at, bytes.length, {
      onBodyPiece: (piece) => {
        content += piece.toString('latin1')
      },
    })
    if (body.failure !== undefined) return undefined
    const isWhole = body.isDone || parsed.head.framing.kind === 'close'
    return { line: String(parsed.head.status), content, isWhole }
  }
}

async function nodesOfResponse(bytes: Buffer, method: string): Promise<SeenResponse | undefined> {
  const [near, far] = duplexPair()
  near.on('error', () => undefined)
  far.on('error', () => undefined)
  let seen: SeenResponse | undefined
  let content = ''
  const request = httpRequest({ method, agent: new OneSocket(far), insecureHTTPParser: false })
  request.on('error', () => undefined)
  request.on('response', (response: IncomingMessage) => {
    response.setEncoding('latin1')
    response.on('data', (piece: string) => {
      content += piece
    })
    response.on('error', () => undefined)
    response.on('close', () => {
      seen = { line: String(response.statusCode), content, isWhole: response.complete }
    })
  })
  request.end()
  near.resume()
  near.write(bytes)
  near.end()
  await settle()
  request.destroy()
  near.destroy()
  far.destroy()
  await turn()
  return seen
}

/** Gives a request the connection that the test holds the other end of. */
class OneSocket extends Agent {
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    super()
    this.#socket = socket
  }

  override createConnection(): Duplex {
    return this.#socket
  }
}

async function compareResponses(text: string, method: string): Promise<boolean> {
  const bytes = Buffer.from(text, 'latin1')
  const ours = oursOfResponse(bytes, method)
  if (ours?.isWhole !== true) return false
  const nodes = await nodesOfResponse(bytes, method)
  assert.deepEqual(nodes, ours, `another response to ${method} in ${JSON.stringify(text)}`)
  return true
}

const NEXT = 'GET /next HTTP/1.1\r\nHost: a\r\n\r\n'

describe('requests that are used for smuggling', () => {
  for (const { name, text, isRefused } of requestCorpus) {
    test(`${isRefused ? 'refused' : 'read as Node.js does'}: ${name}`, async () => {
      const found = await compareRequests(text + NEXT)
      if (isRefused) assert.equal(found, 0, 'it was accepted')
      else assert.ok(found >= 2, `${found} requests of two or more were found`)
    })
  }
})

describe('responses that are used for smuggling', () => {
  for (const { name, text, isRefused } of responseCorpus) {
    test(`${isRefused ? 'refused' : 'read as Node.js does'}: ${name}`, async () => {
      assert.equal(await compareResponses(text, 'GET'), !isRefused)
    })
  }
})

/** Whole messages out of which others are made by small changes. */
const seeds = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(NEXT, ...requestCorpus.filter((each) => !each.isRefused).map(textOf)) },
  fc.constantFrom(...requestCorpus.map(textOf)),
)
const splices = [
  ...['\r\n', '\n', '\r', ' ', '\t', '\0', ',', ';', ':', '0', '1', '+', '-', 'x', '\x0b', '\x80', '"', '\r\n\r\n'],
  ...['Content-Length: 3\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: '],
  ...[
    'chunked',
    'gzip, ',
    'Connection: close\r\n',
    'Host: b\r\n',
    'HTTP/1.0',
    'HTTP/1.1',
    'POST ',
    'X: y\r\n',
    '3\r\nabc\r\n',
  ],
  ...['0\r\n\r\n', ';a=b', ';a="b\\"c"', 'abc', 'Connection: keep-alive\r\n', 'Expect: 100-continue\r\n', ' \r\n'],
]

function textOf({ text }: { readonly text: string }): string {
  return text
}

interface Change {
  readonly at: number
  readonly removed: number
  readonly inserted: string
}
const changes = fc.array(
  fc.record<Change>({
    at: fc.nat(400),
    removed: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(6)),
    inserted: fc.oneof(fc.constantFrom(...splices), fc.constant('')),
  }),
  { maxLength: 3 },
)

function changed(text: string, list: readonly Change[]): string {
  let result = text
  for (const { at, removed, inserted } of list) {
    const from = at % (result.length + 1)
    result = result.slice(0, from) + inserted + result.slice(from + removed)
  }
  return result
}

/** Methods that llhttp does not know it refuses; it may do so. */
const knownMethods = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|TRACE) /

test('requests made of others by chance are framed as Node.js frames them, or refused', async () => {
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(seeds, changes, fc.boolean(), async (seed, list, hasNext) => {
      const text = changed(seed, list) + (hasNext ? NEXT : '')
      const ours = oursOfRequests(Buffer.from(text, 'latin1'))
      if (ours.some(({ line }) => !knownMethods.test(line))) return
      accepted += await compareRequests(text)
    }),
    { numRuns: RUNS },
  )
  assert.ok(accepted > RUNS / 10, `only ${accepted} requests were compared`)
})

const responseSeeds = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...responseCorpus.filter((each) => !each.isRefused).map(textOf)) },
  fc.constantFrom(...responseCorpus.map(textOf)),
)

test('responses made of others by chance are framed as Node.js frames them, or refused', async () => {
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(responseSeeds, changes, fc.constantFrom('GET', 'HEAD'), async (seed, list, method) => {
      if (await compareResponses(changed(seed, list), method)) accepted += 1
    }),
    { numRuns: RUNS },
  )
  assert.ok(accepted > RUNS / 10, `only ${accepted} responses were compared`)
})
