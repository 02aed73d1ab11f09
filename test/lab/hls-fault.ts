import type { ServerResponse } from 'node:http'
import { damagedMedia } from './hls-media-fault.ts'

/** What an HLS origin does instead of answering one kind of resource as it should. */
export type HlsFault =
  | { readonly kind: 'status'; readonly status: number }
  /** The request is read and nothing comes back. */
  | { readonly kind: 'never_answer' }
  /** As it should be, but not before this has resolved. */
  | { readonly kind: 'wait'; readonly until: Promise<void> }
  /** A head that promises the body, then so many bytes of it, then nothing. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** A web page with status 200. */
  | { readonly kind: 'html' }
  /** Bytes of no format, with status 200 and the usual content type. */
  | { readonly kind: 'garbage' }
  | { readonly kind: 'empty' }
  /** The connection ends after this share of the body, 0 to 1; with `isTold` the length says so too: HTTP alone cannot know. */
  | { readonly kind: 'truncated'; readonly share: number; readonly isTold?: boolean }
  /** Everything as it should be but the packets of pictures or of sound, which the programme map still lists (MPEG-TS). */
  | { readonly kind: 'without'; readonly stream: 'video' | 'audio' }
  /** The packets of pictures and sound are scrambled (MPEG-TS). */
  | { readonly kind: 'scrambled' }
  /** The segment of this number, whichever is asked for. */
  | { readonly kind: 'repeat'; readonly number: number }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  | { readonly kind: 'redirect'; readonly location: string }
  /** The connection is reset as soon as the request has come. */
  | { readonly kind: 'reset' }

export interface HlsAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Buffer
}

const SLOW_STEP_MS = 50
const PAGE = '<!DOCTYPE html><html><head><title>Account expired</title></head><body>Please renew.</body></html>'

/** Answers as it should be, without a fault, or as the fault has it. */
export function answerWith(response: ServerResponse, answer: HlsAnswer, fault: HlsFault | undefined): void {
  const { status, headers, body } = answer
  const head = { ...headers, 'Content-Length': body.length }
  switch (fault?.kind) {
    case undefined:
      response.writeHead(status, head).end(body)
      return
    case 'status':
      response.writeHead(fault.status, { 'Content-Length': 0 }).end()
      return
    case 'never_answer':
      return
    case 'wait':
      void fault.until.then(() => response.writeHead(status, head).end(body))
      return
    case 'stall':
      response.writeHead(status, head).write(body.subarray(0, Math.max(1, fault.afterBytes)))
      return
    case 'html':
      response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Length': PAGE.length }).end(PAGE)
      return
    case 'garbage':
      response.writeHead(200, { ...headers, 'Content-Length': 4_000 }).end(Buffer.alloc(4_000, 0xa5))
      return
    case 'empty':
      response.writeHead(200, { ...headers, 'Content-Length': 0 }).end()
      return
    case 'truncated':
      truncate(response, answer, fault.share, fault.isTold === true)
      return
    case 'without':
    case 'scrambled':
    case 'repeat': {
      const damaged = damagedMedia(body, fault)
      response.writeHead(status, { ...headers, 'Content-Length': damaged.length }).end(damaged)
      return
    }
    case 'slow':
      drip(response, answer, fault.bytesPerSecond)
      return
    case 'redirect':
      response.writeHead(302, { Location: fault.location, 'Content-Length': 0 }).end()
      return
    case 'reset':
      response.socket?.resetAndDestroy()
      return
    default:
      fault satisfies never
  }
}

function truncate(
  response: ServerResponse,
  { status, headers, body }: HlsAnswer,
  share: number,
  isTold: boolean,
): void {
  const part = body.subarray(0, Math.floor(body.length * share))
  if (isTold) {
    response.writeHead(status, { ...headers, 'Content-Length': part.length }).end(part)
    return
  }
  response.writeHead(status, { ...headers, 'Content-Length': body.length })
  response.write(part, () => response.socket?.end())
}

function drip(response: ServerResponse, { status, headers, body }: HlsAnswer, bytesPerSecond: number): void {
  response.writeHead(status, { ...headers, 'Content-Length': body.length })
  const step = Math.max(1, Math.round((bytesPerSecond * SLOW_STEP_MS) / 1_000))
  let at = 0
  const timer = setInterval(() => {
    response.write(body.subarray(at, at + step))
    at += step
    if (at < body.length) return
    clearInterval(timer)
    response.end()
  }, SLOW_STEP_MS)
  timer.unref()
  response.on('close', () => clearInterval(timer))
}
