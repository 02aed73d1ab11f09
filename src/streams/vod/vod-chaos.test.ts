import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../lib/random.ts'
import type { Random } from '../../lib/random.ts'
import { VodGateway, fileOrigin, film, readAll, sha256 } from './vod.fixture.ts'
import type { Fault } from './vod.fixture.ts'

const ROUNDS = 12
const FIRST_SEED = 20_260_000

function below(random: Random, limit: number): number {
  return Math.floor(random.next() * limit)
}

function randomFaults(random: Random, lengthBytes: number): readonly (Fault | undefined)[] {
  const kinds = ['rst', 'fin', 'stall'] as const
  return Array.from({ length: below(random, 5) }, () => {
    const kind = kinds[below(random, 3)] ?? 'fin'
    return random.next() < 0.3 ? undefined : { kind, afterBytes: below(random, lengthBytes) }
  })
}

test('whatever breaks and however the viewer reads, it gets the right bytes or a connection that is cut', async () => {
  let completed = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed += 1) {
    const random = seededRandom(seed)
    const file = film(200_000 + below(random, 2_000_000), seed)
    const etag = random.next() < 0.5 ? '"v1"' : undefined
    const framing = random.next() < 0.5 ? 'length' : 'chunked'
    const good = { file, etag, framing } as const
    const impostor = { file: film(file.length, seed + 1), etag: '"v2"', framing } as const
    await using first = await fileOrigin({ ...good, faults: randomFaults(random, file.length) })
    await using second = await fileOrigin({
      ...(etag !== undefined && random.next() < 0.4 ? impostor : good),
      faults: randomFaults(random, file.length),
    })
    await using gateway = await VodGateway.listen([first.url, second.url], { vodReadTimeoutMs: 60 })
    const start = below(random, 2) * below(random, file.length)
    const response = await gateway.open(start === 0 ? {} : { range: `bytes=${start}-` })
    const served = response.headers['etag'] === impostor.etag ? impostor.file : file
    const wanted = served.subarray(start)
    const pauses = below(random, 4)
    for (let pause = 0; pause < pauses; pause += 1) {
      response.pause()
      for (let turn = below(random, 200); turn > 0; turn -= 1) await new Promise(setImmediate)
    }
    const { body, isCut } = await readAll(response)
    const right = wanted.subarray(0, body.length)
    assert.equal(sha256(body), sha256(right), `seed ${seed}: wrong bytes`)
    assert.ok(isCut || body.length === wanted.length, `seed ${seed}: ended short as if it were whole`)
    if (!isCut) completed += 1
  }
  assert.ok(completed >= ROUNDS / 3, `only ${completed} of ${ROUNDS} were completed`)
})
