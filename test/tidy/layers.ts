import { posix } from 'node:path'
import { finding, importsOf } from './source-file.ts'
import type { Finding, SourceFile } from './source-file.ts'

/** The ground floors know nobody above or beside themselves; `lib` may be used by all but the pure ones. */
const halls = ['mpegts', 'hls', 'isobmff', 'failover', 'store', 'http', 'process', 'lib', 'config', 'events']

/**
 * Which folder of src/ may import which, besides itself. It is the drawing in docs/ARCHITECTURE.md as a table: no arrow
 * runs back up and there is no circle.
 */
const allowedImports: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  mpegts: [],
  hls: [],
  isobmff: [],
  process: ['lib'],
  failover: [],
  config: ['lib'],
  store: ['lib'],
  http: ['lib'],
  events: ['store', 'failover', 'http', 'lib'],
  streams: halls,
  proxy: ['failover', 'events', 'store', 'http', 'config', 'lib'],
  publishing: [...halls, 'streams'],
  transcode: [...halls, 'streams'],
  broadcast: [...halls, 'streams'],
  tunnels: ['failover', 'events', 'store', 'http', 'config', 'lib', 'proxy'],
  demo: ['lib'],
  check: ['mpegts', 'lib'],
  drill: ['lib'],
  'gateway.ts': [...halls, 'streams', 'publishing', 'transcode', 'broadcast', 'proxy', 'tunnels'],
  'main.ts': ['gateway.ts', 'config', 'lib', 'demo', 'check', 'drill'],
}

/** These take no package and nothing of Node.js: time, chance and I/O come in as parameters. */
const PURE = ['mpegts', 'hls', 'isobmff', 'failover']

/** What a unit test may use besides what the code under test may. */
const ALLOWED_IN_TESTS = ['lib', 'test']

/** Imports that point the wrong way. Only files under src/ have layers. */
export function layerFindings(file: SourceFile): readonly Finding[] {
  if (!file.path.startsWith('src/')) return []
  const isTest = isTestFile(file.path)
  const from = folderOf(file.path)
  const allowed = allowedImports[from]
  if (allowed === undefined) {
    return [finding(file, 0, `${from} has no place in the house: add it to allowedImports in test/tidy/layers.ts`)]
  }
  return importsOf(file).flatMap(({ specifier, offset }) => {
    if (!specifier.startsWith('.')) {
      if (isTest || !PURE.includes(from)) return []
      return [
        finding(file, offset, `${from} is pure and imports only itself, not ${specifier}: take it as a parameter`),
      ]
    }
    const to = folderOf(posix.join(posix.dirname(file.path), specifier))
    if (to === from || allowed.includes(to) || (isTest && ALLOWED_IN_TESTS.includes(to))) return []
    const known = allowed.length === 0 ? 'only itself' : `itself, ${allowed.join(', ')}`
    const remedy = 'declare a small interface here and let src/gateway.ts pass the implementation in'
    return [finding(file, offset, `${from} may import ${known}, not ${to}: ${remedy}`)]
  })
}

/** A unit test, or something made for one; neither is part of the program. */
export function isTestFile(path: string): boolean {
  return path.endsWith('.test.ts') || path.endsWith('.fixture.ts')
}

/** `streams` for src/streams/outputs/ts.ts, `gateway.ts` for src/gateway.ts, `test` for what lies outside src/. */
function folderOf(path: string): string {
  const [top = '', second = ''] = path.split('/')
  return top === 'src'
    ? second.replace(/^gateway\.test\.ts$/, 'gateway.ts').replace(/^main\.test\.ts$/, 'main.ts')
    : top
}
