// A receiver for Holdfast's webhooks: checks the signature, drops repeats, prints what happened.
//
//   node examples/webhook-receiver.mjs --port 9000 --secret <the secret that POST /webhooks answered with>
//
// Needs Node.js 18 or newer and nothing else. docs/EVENTS.md describes what arrives.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { port: { type: 'string' }, secret: { type: 'string' } } })
const port = Number(values.port ?? 9000)
const secret = values.secret

/** A signature older or newer than this is refused: somebody plays back an old request, or a clock is wrong. */
const AGE_SECONDS_MAX = 300
const BODY_BYTES_MAX = 1_048_576
/** Events that are remembered in order to know repeats. */
const REMEMBERED_MAX = 10_000

/** `header` is `t=<unix seconds>,v1=<hex>`; v1 is the HMAC-SHA256 of `<unix seconds>.<body>` under the secret. */
function isSigned(header, body) {
  const [, time, given] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header ?? '') ?? []
  if (given === undefined || Math.abs(Date.now() / 1000 - Number(time)) > AGE_SECONDS_MAX) return false
  const expected = createHmac('sha256', secret).update(`${time}.${body}`).digest()
  return timingSafeEqual(Buffer.from(given, 'hex'), expected)
}

const seen = new Set()

/** False for an event that was here before: a delivery is repeated when its answer got lost. */
function isNew(eventId) {
  if (seen.has(eventId)) return false
  seen.add(eventId)
  if (seen.size > REMEMBERED_MAX) seen.delete(seen.values().next().value)
  return true
}

async function readBody(request) {
  const chunks = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function parsed(body) {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

async function receive(request, response) {
  const body = request.method === 'POST' ? await readBody(request).catch(() => undefined) : undefined
  const event = body === undefined ? undefined : parsed(body)
  if (event === undefined) {
    response.writeHead(400).end()
  } else if (secret !== undefined && !isSigned(request.headers['x-holdfast-signature'], body)) {
    console.log('refused: the signature is not right')
    response.writeHead(401).end()
  } else {
    // Answer first: a receiver that works before it answers is tried again when its work takes too long.
    response.writeHead(204).end()
    if (isNew(event.event_id)) {
      console.log(`${event.timestamp} ${event.event_type} ${event.stream_id} ${JSON.stringify(event.data)}`)
    }
  }
}

const server = createServer((request, response) => void receive(request, response))

server.listen(port, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}/`)
  if (secret === undefined) console.log('without --secret, signatures are not checked')
})
