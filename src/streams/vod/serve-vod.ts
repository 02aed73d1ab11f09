import { cannotStart } from '../failures.ts'
import type { SourceHead } from '../sources/http-client.ts'
import { partOf } from './entity.ts'
import { isHeadRefusal, judgeFirst, viewerHead } from './first-answer.ts'
import type { FirstQuestion } from './first-answer.ts'
import { sourcesFrom } from './source-order.ts'
import { viewerWish } from './viewer-headers.ts'
import type { ViewerWish } from './viewer-headers.ts'
import type { ServeVodOptions, VodSource } from './vod-options.ts'
import { VodTransfer } from './vod-transfer.ts'
import { VodUpstream } from './vod-upstream.ts'
import type { VodFailure } from './vod-upstream.ts'

interface FirstAnswer {
  readonly source: VodSource
  readonly head: SourceHead
  readonly question: FirstQuestion
  readonly upstream: VodUpstream
}

/**
 * Serves one viewer of a file, with an upstream of its own: GET and HEAD, byte ranges as the source answers them.
 * Resolves when the head is written (or the viewer has gone); the body goes on by itself. Until then a source that fails
 * is followed by the next one; when all have failed it throws an upstream_* error that names why each did.
 */
export async function serveVod(options: ServeVodOptions): Promise<void> {
  const { response } = options.viewRequest
  const gone = new AbortController()
  const onGone = (): void => gone.abort()
  response.once('close', onGone)
  try {
    const answer = await firstAnswer(options, AbortSignal.any([gone.signal, options.signal]))
    if (answer === undefined) {
      response.destroy()
      return
    }
    begin(options, answer)
  } finally {
    response.off('close', onGone)
  }
}

function begin(options: ServeVodOptions, { source, head, question, upstream }: FirstAnswer): void {
  const { response } = options.viewRequest
  const { status, headers } = viewerHead(head, question)
  response.writeHead(status, headers)
  const hasBody = question.method === 'GET' && !question.isProbe && (status === 200 || status === 206)
  const part = hasBody ? partOf(head) : undefined
  if (part === undefined) {
    upstream.close()
    response.end()
    return
  }
  new VodTransfer({ ...options, source, part, upstream }).begin()
}

/** Undefined when the viewer went away first. */
async function firstAnswer(options: ServeVodOptions, signal: AbortSignal): Promise<FirstAnswer | undefined> {
  const { network, limits, onFailover, log, viewRequest } = options
  const wish = viewerWish(viewRequest.request.headers)
  const deadlineMs = network.clock.nowMs() + limits.startTimeoutMs
  const failures = new Map<number, VodFailure>()
  const order = sourcesFrom(options.sources, options.onAirIndex)
  for (const [turn, source] of order.entries()) {
    const leftMs = deadlineMs - network.clock.nowMs()
    if (leftMs <= 0) break
    const isLast = turn === order.length - 1
    const waitMs = Math.min(leftMs, isLast ? limits.readTimeoutMs : limits.firstByteTimeoutMs)
    const answer = await askFirst(options, source, wish, waitMs, signal)
    if (signal.aborted) {
      if (answer.kind === 'answered') answer.upstream.close()
      return undefined
    }
    if (answer.kind === 'answered') {
      const left = order[turn - 1]
      const reason = left === undefined ? undefined : failures.get(left.index)?.reason
      if (left !== undefined && reason !== undefined) {
        const atByte = partOf(answer.head)?.startByte ?? 0
        onFailover({ fromIndex: left.index, toIndex: source.index, reason, atByte })
      }
      return { ...answer, source }
    }
    failures.set(source.index, answer.failure)
    const { reason, message } = answer.failure
    const fields = { stream_id: viewRequest.streamId, source: source.index, reason }
    log.warn('vod_source_failed', `Source ${source.index} failed: ${message}`, fields)
  }
  throw cannotStart(failures, options.onAirIndex)
}

type Asked =
  | {
      readonly kind: 'answered'
      readonly head: SourceHead
      readonly question: FirstQuestion
      readonly upstream: VodUpstream
    }
  | { readonly kind: 'failed'; readonly failure: VodFailure }

async function askFirst(
  options: ServeVodOptions,
  source: VodSource,
  wish: ViewerWish,
  waitMs: number,
  signal: AbortSignal,
): Promise<Asked> {
  const isHead = options.viewRequest.request.method === 'HEAD'
  const question: FirstQuestion = { method: isHead ? 'HEAD' : 'GET', range: wish.range, isProbe: false }
  const asked = await ask(options, source, wish, question, waitMs, signal)
  if (!isHead || asked.kind === 'answered' || signal.aborted || !isHeadRefusal(asked.failure)) return asked
  return ask(options, source, wish, { method: 'GET', range: wish.range ?? 'bytes=0-0', isProbe: true }, waitMs, signal)
}

async function ask(
  options: ServeVodOptions,
  source: VodSource,
  wish: ViewerWish,
  question: FirstQuestion,
  startTimeoutMs: number,
  signal: AbortSignal,
): Promise<Asked> {
  const { headers, userAgent, operatorHosts, limits, network } = options
  const upstream = new VodUpstream({
    request: {
      url: source.url,
      method: question.method,
      headers: { ...headers, ...wish.conditions },
      userAgent,
      ...(question.range === undefined ? {} : { range: question.range }),
      connectTimeoutMs: Math.min(limits.connectTimeoutMs, startTimeoutMs),
      operatorHosts,
      signal,
    },
    startTimeoutMs,
    stallTimeoutMs: limits.vodReadTimeoutMs,
    network,
    judge: (head) => judgeFirst(head, question, wish),
  })
  const start = await upstream.started
  return start.kind === 'started' ? { kind: 'answered', head: start.head, question, upstream } : start
}
