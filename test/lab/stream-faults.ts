import type { FaultOrigin, FaultOriginOptions } from './fault-origin.ts'

/** What can befall the primary of a stream, for the end-to-end tests and the scoreboard alike. */
export interface StreamFault {
  readonly name: string
  readonly primary: Omit<FaultOriginOptions, 'name'>
  /** The primary's URL when it is not the origin's own. */
  readonly urlOf?: (primary: FaultOrigin) => string
}

export interface MidStreamFault extends StreamFault {
  readonly strike: (primary: FaultOrigin) => void | Promise<void>
}

const HTML = '<!DOCTYPE html><html><head><title>Busy</title></head><body>Too many connections</body></html>'

const answering = (answer: FaultOriginOptions['answer']) => ({ answer }) as Pick<FaultOriginOptions, 'answer'>
const status = (code: number): StreamFault => ({
  name: `answers ${code}`,
  primary: answering({ kind: 'status', status: code }),
})

/** The primary is broken before the first viewer comes. */
export const startFaults: readonly StreamFault[] = [
  { name: 'refuses the connection', primary: {}, urlOf: () => 'http://127.0.0.1:9/live/nobody.ts' },
  { name: 'has a name that does not resolve', primary: {}, urlOf: () => 'http://source.invalid/live/1.ts' },
  { name: 'resets the connection', primary: answering({ kind: 'reset' }) },
  status(401),
  status(403),
  status(404),
  status(456),
  status(500),
  status(503),
  {
    name: 'answers 200 with HTML',
    primary: answering({ kind: 'body', contentType: 'text/html; charset=utf-8', body: HTML }),
  },
  {
    name: 'answers 200 with HTML that calls itself MPEG-TS',
    primary: answering({ kind: 'body', contentType: 'video/mp2t', body: HTML }),
  },
  {
    name: 'answers 200 with an empty body',
    primary: answering({ kind: 'body', contentType: 'video/mp2t', body: '' }),
  },
  {
    name: 'answers 200 with JSON',
    primary: answering({ kind: 'body', contentType: 'application/json', body: '{"user_info":{"auth":0}}' }),
  },
  { name: 'sends endless noise', primary: answering({ kind: 'noise' }) },
  { name: 'redirects to itself for ever', primary: answering({ kind: 'redirect_loop' }) },
  {
    name: 'redirects to a refused connection',
    primary: answering({ kind: 'redirect', location: 'http://127.0.0.1:9/x.ts' }),
  },
  { name: 'fails the TLS handshake', primary: {}, urlOf: ({ tlsUrl }) => tlsUrl },
]

/** As above, found out by a deadline (5 s by default) instead of by an answer. */
export const silentStartFaults: readonly StreamFault[] = [
  { name: 'accepts and never answers', primary: answering({ kind: 'never_answer' }) },
  { name: 'sends a head and then nothing', primary: answering({ kind: 'head_only' }) },
]

/** The primary breaks while a viewer is watching. */
export const midStreamFaults: readonly MidStreamFault[] = [
  {
    name: 'FIN on a packet boundary, close-delimited',
    primary: {},
    strike: (primary) => primary.inject({ kind: 'fin', aligned: true }),
  },
  {
    name: 'FIN inside a packet, close-delimited',
    primary: {},
    strike: (primary) => primary.inject({ kind: 'fin', aligned: false }),
  },
  {
    name: 'FIN without the last chunk, chunked',
    primary: { framing: 'chunked' },
    strike: (primary) => primary.inject({ kind: 'fin', aligned: true }),
  },
  {
    name: 'proper end of a chunked body',
    primary: { framing: 'chunked' },
    strike: (primary) => primary.inject({ kind: 'end' }),
  },
  {
    name: 'incomplete chunk',
    primary: { framing: 'chunked' },
    strike: (primary) => primary.inject({ kind: 'incomplete_chunk' }),
  },
  {
    name: 'body shorter than its Content-Length',
    primary: { framing: 'content_length' },
    strike: (primary) => primary.inject({ kind: 'fin', aligned: true }),
  },
  {
    name: 'RST on a packet boundary',
    primary: {},
    strike: (primary) => primary.inject({ kind: 'reset', aligned: true }),
  },
  {
    name: 'RST inside a packet, chunked',
    primary: { framing: 'chunked' },
    strike: (primary) => primary.inject({ kind: 'reset', aligned: false }),
  },
  {
    name: 'the whole server goes, its port with it',
    primary: {},
    strike: (primary) => primary.die(),
  },
]

/** As above, with the connection left open: found out by silence. */
export const midStreamStalls: readonly MidStreamFault[] = [
  { name: 'silence on an open connection', primary: {}, strike: (primary) => primary.inject({ kind: 'silence' }) },
  {
    name: 'silence on an open connection, chunked',
    primary: { framing: 'chunked' },
    strike: (primary) => primary.inject({ kind: 'silence' }),
  },
  {
    name: 'a byte every 300 ms',
    primary: {},
    strike: (primary) => primary.inject({ kind: 'drip', everyMs: 300 }),
  },
  {
    name: 'noise in place of packets',
    primary: {},
    strike: (primary) => primary.inject({ kind: 'garbage' }),
  },
]
