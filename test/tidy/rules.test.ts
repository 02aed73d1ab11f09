import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { bannedFindings } from './banned.ts'
import { firstColumn, linkFindings, missingNames, placeFindings, scriptFindings } from './documents.ts'
import type { Tree } from './documents.ts'
import { layerFindings } from './layers.ts'
import { FILE_LINES_MAX, FUNCTION_LINES_MAX, sizeFindings } from './sizes.ts'
import { describeFindings, importsOf, sourceFile } from './source-file.ts'

/** Each tidy rule against planted code: it must catch what is bad, where it is, and leave alone what is good. */

const bannedAt = (path: string, text: string): string => describeFindings(bannedFindings(sourceFile(path, text)))

describe('what the style does without is found, with its line and what to use instead', () => {
  const planted: readonly (readonly [code: string, expected: RegExp])[] = [
    ['const a = Date.now()', /Date\.now.*Clock/],
    ['const a = new Date()', /Date\.now.*wallMs/],
    ['const a = performance.now()', /Date\.now.*nowMs/],
    ['const a = Math.random()', /Math\.random.*Random/],
    ['setTimeout(() => {}, 5)', /setTimeout.*schedule/],
    ['setInterval(f, 5)', /setTimeout.*Clock/],
    ['console.log(1)', /console.*Log/],
    ['const a = process.env.PORT', /process\.env.*settings\.ts/],
    ['const [a] = process.argv', /process\.argv.*main\.ts/],
    ['process.exit(1)', /process\.exit.*HoldfastError/],
    ['process.exitCode = 1', /process\.exit/],
    ['export enum Colour { Red }', /enum.*union/],
    ['const enum Colour { Red }', /enum/],
    ['namespace Things {}', /namespace.*module/],
    ['export default 5', /default export.*named/],
    ['export { a as default }', /default export/],
    ["export * from './a.ts'", /export \*.*barrels/],
    ['const a: any = 5', /any.*unknown/],
    ['f(a as any)', /any.*unknown/],
    ['const a: Map<string, any> = b', /any.*unknown/],
    ['type F = (a: string) => any', /any.*unknown/],
    ['const b = a!.c', /non-null.*narrow/],
    ['f(list[0]!)', /non-null/],
    ['const b = find()!\n', /non-null/],
    [['//', '@ts-ignore\nf(5)'].join(' '), /ts-expect-error/],
    ["import { join } from 'path'", /'node:path'/],
    ["import { a } from './a'", /extension/],
    ["import a from '../b.js'", /extension/],
  ]
  for (const [code, expected] of planted) {
    test(JSON.stringify(code), () => {
      const found = bannedAt('src/streams/planted.ts', `const first = 1\n${code}\n`)
      assert.match(found, expected)
      assert.match(found, /^src\/streams\/planted\.ts:[23]: /)
    })
  }

  for (const path of [
    'src/streams/utils.ts',
    'src/lib/string-helpers.ts',
    'src/common/a.ts',
    'src/streams/stream-manager.ts',
  ]) {
    test(`the name ${path}`, () => assert.match(bannedAt(path, ''), /name the concept/))
  }
  test('a barrel and a name in camel case', () => {
    assert.match(bannedAt('src/streams/index.ts', ''), /no barrels/)
    assert.match(bannedAt('src/streams/liveStream.ts', ''), /kebab-case/)
  })
})

describe('what is good is left alone', () => {
  const innocent = [
    "const text = 'Date.now() and console.log'",
    '// Math.random() would not do here',
    '/* process.env.X\n * enum Colour {} */',
    'const a = `setTimeout(${b}) as any`',
    'const pattern = /setTimeout\\(a as any\\)/',
    'if (a !== b && !c) f()',
    'const d = new Date(wallMs)',
    'const many = company.any()',
    'type Anything = unknown',
    'const enumerate = (x: string) => x',
    "import { test } from 'node:test'",
    'const ratio = a / b / c; const s = "x"; g(s)',
    'export { a, type B }',
  ]
  for (const code of innocent) {
    test(JSON.stringify(code), () => assert.equal(bannedAt('src/streams/good.ts', code), ''))
  }
  test('where a thing is at home', () => {
    assert.equal(bannedAt('src/lib/clock.ts', 'Date.now(); setTimeout(f, 1); performance.now()'), '')
    assert.equal(bannedAt('src/main.ts', 'process.exit(process.argv.length); f(process.env)'), '')
    assert.equal(bannedAt('test/lab/origin.ts', 'setTimeout(f, 1); console.log(Date.now())'), '')
  })
  test('code inside a template is still seen, text after it is not', () => {
    assert.match(bannedAt('src/streams/a.ts', 'const a = `x ${Math.random()} y`'), /Math\.random/)
    assert.equal(bannedAt('src/streams/a.ts', 'const a = `x ${{ b: `${c}` }.b} Math.random()`'), '')
  })
})

describe('imports have a direction', () => {
  const wrong: readonly (readonly [path: string, specifier: string])[] = [
    ['src/lib/clock.ts', '../config/settings.ts'],
    ['src/mpegts/packet.ts', '../lib/random.ts'],
    ['src/mpegts/packet.ts', 'node:fs'],
    ['src/failover/group.ts', 'zod'],
    ['src/failover/selection/ordered.ts', '../../streams/service.ts'],
    ['src/store/sqlite.ts', '../events/event.ts'],
    ['src/events/journal.ts', '../streams/service.ts'],
    ['src/streams/outputs/ts.ts', '../../proxy/pool.ts'],
    ['src/proxy/pool.ts', '../streams/service.ts'],
    ['src/proxy/pool.ts', '../tunnels/route.ts'],
    ['src/streams/api/routes.ts', '../../gateway.ts'],
    ['src/main.ts', './streams/service.ts'],
    ['src/streams/live.ts', '../../test/lab/origin.ts'],
    ['src/attic/thing.ts', '../lib/clock.ts'],
  ]
  for (const [path, specifier] of wrong) {
    test(`${path} may not import ${specifier}`, () => {
      const found = layerFindings(sourceFile(path, `// why\nimport { a } from '${specifier}'\n`))
      assert.match(
        describeFindings(found),
        new RegExp(`^${path}:[12]: .*(imports? only itself|may import|has no place)`),
      )
    })
  }
  const right: readonly (readonly [path: string, specifier: string])[] = [
    ['src/failover/selection/ordered.ts', '../group.ts'],
    ['src/failover/group.test.ts', '../lib/random.ts'],
    ['src/failover/group.test.ts', 'fast-check'],
    ['src/streams/live.ts', '../failover/group.ts'],
    ['src/streams/live.test.ts', '../../test/lab/origin.ts'],
    ['src/tunnels/route.ts', '../proxy/pool.ts'],
    ['src/gateway.ts', './streams/streams.ts'],
    ['src/main.ts', './gateway.ts'],
    ['test/sim/a.test.ts', '../../src/failover/group.ts'],
  ]
  for (const [path, specifier] of right) {
    test(`${path} may import ${specifier}`, () => {
      assert.deepEqual(layerFindings(sourceFile(path, `import { a } from '${specifier}'\n`)), [])
    })
  }
  test('every form of import is seen, and none inside a string or comment', () => {
    const text = [
      "import './a.ts'",
      "import type { B } from './b.ts'",
      "import {\n  c,\n  d,\n} from './c.ts'",
      "export { e } from './e.ts'",
      "const f = await import('./f.ts')",
      "// import './not.ts'",
      'const g = "import h from \'./not.ts\'"',
    ].join('\n')
    const found = importsOf(sourceFile('src/lib/x.ts', text)).map(({ specifier }) => specifier)
    assert.deepEqual(found, ['./a.ts', './b.ts', './c.ts', './e.ts', './f.ts'])
  })
})

describe('sizes', () => {
  const bodyOf = (lines: number): string => '\n  work()'.repeat(lines)
  const headers: readonly (readonly [header: string, closing: string])[] = [
    ['function long() {', '}'],
    ['export async function long(a: string, { b }: { b: number }): Promise<{ c: string }> {', '}'],
    ['function is(a: unknown): a is { b: string } | undefined {', '}'],
    ['const long = (a: string): string => {', '}'],
    ['const long = async (a = f(1)) => {', '}'],
    ['class A {\n  async #run(a: string): Promise<void> {', '}\n}'],
    ['class A {\n  get size(): number {', '}\n}'],
    ["test('it works', () => {", '})'],
  ]
  for (const [header, closing] of headers) {
    test(`a long body behind ${JSON.stringify(header)} is found where it begins`, () => {
      const ok = sizeFindings(sourceFile('src/lib/a.ts', `${header}${bodyOf(FUNCTION_LINES_MAX - 2)}\n${closing}`))
      assert.deepEqual(ok, [])
      const bad = sizeFindings(sourceFile('src/lib/a.ts', `\n${header}${bodyOf(FUNCTION_LINES_MAX)}\n${closing}`))
      assert.match(describeFindings(bad), /^src\/lib\/a\.ts:[23]: a function of 7\d lines/)
      assert.equal(bad.length, 1)
    })
  }
  test('a long loop, class, table or group of tests is no function', () => {
    const groups = ["describe('all', () => {", "describe('all', { concurrency: 4 }, () => {"]
    for (const header of ['if (a) {', 'for (const a of b) {', 'class A {', 'const a = {', ...groups]) {
      assert.deepEqual(sizeFindings(sourceFile('src/lib/a.ts', `${header}${bodyOf(FUNCTION_LINES_MAX + 5)}\n}`)), [])
    }
  })
  test('a file of one line too many', () => {
    assert.deepEqual(sizeFindings(sourceFile('src/lib/a.ts', 'a\n'.repeat(FILE_LINES_MAX))), [])
    const found = sizeFindings(sourceFile('src/lib/a.ts', 'a\n'.repeat(FILE_LINES_MAX + 1)))
    assert.match(describeFindings(found), /401 lines; at most 400: split/)
  })
})

describe('documents', () => {
  const there: Readonly<Record<string, string>> = { 'docs/A.md': '# Top\n\n## Two words, here\n', 'docs/x.svg': '' }
  const tree: Tree = {
    exists: (path) => path in there,
    page: (path) => (path.endsWith('.md') ? { path, text: there[path] ?? '' } : undefined),
  }
  const linked = (text: string): string => describeFindings(linkFindings({ path: 'docs/B.md', text }, tree))

  test('a link to a missing file, or to a missing heading, is found on its line', () => {
    assert.match(linked('a\n[b](C.md)'), /^docs\/B\.md:2: the link to C\.md leads nowhere \(docs\/C\.md\)/)
    assert.match(linked('[b](A.md#three)'), /no heading #three/)
    assert.match(linked('<img src="y.svg">'), /y\.svg leads nowhere/)
    assert.match(linked('![b](../x.svg)'), /leads nowhere \(x\.svg\)/)
  })
  test('good links, outside links and links in code are left alone', () => {
    const good = [
      '[b](A.md)',
      '[b](./A.md#two-words-here)',
      '[b](https://a.example/C.md)',
      '![b](x.svg "t")',
      '[b](#c)\n# C',
    ]
    for (const text of [...good, '```\n[b](C.md)\n```']) assert.equal(linked(text), '', text)
  })
  test('a name that is not described, a script that does not exist, a path of one machine', () => {
    const page = {
      path: 'a.md',
      text: ['has `one`', '`npm run two` and npm start', ['in ', 'home', 'someone', 'x'].join('/')].join('\n'),
    }
    assert.match(describeFindings(missingNames(page, ['one', 'three'])), /^a\.md:1: `three`/)
    assert.match(describeFindings(scriptFindings(page, ['start'])), /^a\.md:2: package\.json has no script two$/)
    assert.match(describeFindings(placeFindings(page)), /^a\.md:3: \/home\/someone/)
    assert.deepEqual(placeFindings({ path: 'a.md', text: 'GET /streams/home/x http://a/home/b' }), [])
  })
  test('the first column of a table under one heading only', () => {
    const text = '## Runtime\n\n| package | why |\n|---|---|\n| `zod` | x |\n\n## Other\n\n| `knip` | y |\n'
    assert.deepEqual(firstColumn({ path: 'a.md', text }, 'Runtime'), ['zod'])
  })
})
