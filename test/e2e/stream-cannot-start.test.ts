import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { GatewayProcess } from '../lab/gateway-process.ts'
import type { Answer } from '../lab/fault.ts'
import { FaultOrigin } from '../lab/fault-origin.ts'
import { until } from '../lab/poll.ts'

let gateway: GatewayProcess
/** For sources that never answer: it gives up on them before a source on a slow machine would have answered. */
let impatient: GatewayProcess
before(async () => {
  gateway = await GatewayProcess.start({ env: { STREAM_TOTAL_TIMEOUT: '6' } })
  impatient = await GatewayProcess.start({
    env: {
      FIRST_BYTE_TIMEOUT_SECONDS: '0.5',
      DEFAULT_CONNECTION_TIMEOUT: '0.5',
      DEFAULT_READ_TIMEOUT: '1',
      STREAM_TOTAL_TIMEOUT: '6',
    },
  })
})
after(async () => {
  await gateway[Symbol.asyncDispose]()
  await impatient[Symbol.asyncDispose]()
})

const REFUSED = 'http://127.0.0.1:9/live/nobody.ts'

async function answerOf(urls: readonly string[], by = gateway) {
  const streamId = await by.api.stream(urls)
  using viewer = by.watch(streamId)
  await viewer.finished()
  await by.api.call('DELETE', `/streams/${streamId}`)
  return viewer
}

describe('a stream that cannot start answers with a reason, not with an empty 200', { concurrency: 4 }, () => {
  const cases: readonly (readonly [string, Answer, readonly number[]])[] = [
    ['answers 404', { kind: 'status', status: 404 }, [502, 503]],
    ['answers 503', { kind: 'status', status: 503 }, [502, 503]],
    ['sends HTML', { kind: 'body', contentType: 'text/html', body: '<html>no</html>' }, [502]],
    ['sends nothing', { kind: 'body', contentType: 'video/mp2t', body: '' }, [502]],
    ['never answers', { kind: 'never_answer' }, [504]],
    ['resets', { kind: 'reset' }, [502, 503]],
  ]
  for (const [name, answer, statuses] of cases) {
    const asked = () => (answer.kind === 'never_answer' ? impatient : gateway)
    test(`the only source ${name}`, async () => {
      await using origin = await FaultOrigin.start({ name: 'only', answer })
      const viewer = await answerOf([origin.url], asked())
      assert.ok(statuses.includes(viewer.status), `${viewer.status}: ${viewer.text}`)
      assert.equal(typeof (viewer.json as { detail: unknown }).detail, 'string')
    })

    test(`every source ${name}`, async () => {
      await using first = await FaultOrigin.start({ name: 'first', answer })
      await using second = await FaultOrigin.start({ name: 'second', answer })
      const viewer = await answerOf([first.url, second.url], asked())
      assert.ok(statuses.includes(viewer.status), `${viewer.status}: ${viewer.text}`)
      assert.equal(typeof (viewer.json as { detail: unknown }).detail, 'string')
      assert.ok(second.connectionsEver > 0, 'the backup was tried')
    })
  }

  test('every source refuses the connection', async () => {
    const viewer = await answerOf([REFUSED, `${REFUSED}?again`])
    assert.ok([502, 503].includes(viewer.status), `${viewer.status}`)
    assert.doesNotMatch(viewer.text, /127\.0\.0\.1:9/, 'viewers are not told where sources are')
  })

  test('the error never shows the credentials of a source', async () => {
    const viewer = await answerOf(['http://127.0.0.1:9/live/alice/wonderland/1.ts'])
    assert.doesNotMatch(viewer.text, /alice|wonderland/)
  })
})

test('a stream that could not start starts for the next viewer once its source is back', async () => {
  await using origin = await FaultOrigin.start({ name: 'late', answer: { kind: 'status', status: 503 } })
  const streamId = await gateway.api.stream([origin.url])
  using early = gateway.watch(streamId)
  await early.finished()
  assert.ok(early.status >= 500)
  origin.answer = { kind: 'live' }
  using late = gateway.watch(streamId)
  await late.sees('late')
  assert.equal(late.status, 200)
})

test('several viewers of a stream that cannot start are all answered', async () => {
  await using origin = await FaultOrigin.start({ name: 'none', answer: { kind: 'status', status: 404 } })
  const streamId = await gateway.api.stream([origin.url])
  const viewers = [1, 2, 3].map(() => gateway.watch(streamId))
  for (const viewer of viewers) {
    await viewer.finished()
    assert.ok(viewer.status >= 502 && viewer.status <= 504, `${viewer.status}`)
    viewer.close()
  }
  await until(async () => (await gateway.api.streamObject(streamId)).client_count === 0, { what: 'no client left' })
})
