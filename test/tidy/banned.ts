import { isTestFile } from './layers.ts'
import { finding, importsOf } from './source-file.ts'
import type { Finding, SourceFile } from './source-file.ts'

/** Something that the house style does without, where it does, and what to use instead. */
interface Ban {
  readonly name: string
  /** Found in the code with strings and comments blanked. */
  readonly pattern: RegExp
  readonly applies: (path: string) => boolean
  readonly instead: string
}

const everywhere = (): boolean => true
const inSource = (path: string): boolean => path.startsWith('src/')
const inSourceBut =
  (...exceptions: readonly string[]) =>
  (path: string): boolean =>
    inSource(path) && !exceptions.some((exception) => path.startsWith(exception))

/** The one file of a folder that may hand on what stands in its neighbours. */
const PUBLIC_ENTRIES = ['src/failover/group.ts']

const bans: readonly Ban[] = [
  {
    name: 'Date.now',
    pattern: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.(?:now|timeOrigin)\b/g,
    applies: inSourceBut('src/lib/'),
    instead: 'take a Clock (src/lib/clock.ts): nowMs() for durations, wallMs() for display and storage',
  },
  {
    name: 'Math.random',
    pattern: /\bMath\.random\b/g,
    applies: inSourceBut('src/lib/random.ts'),
    instead: 'take a Random (src/lib/random.ts), so that a test can give a seed',
  },
  {
    name: 'setTimeout',
    pattern: /\b(?:setTimeout|setInterval)\s*\(/g,
    applies: inSourceBut('src/lib/', 'src/main.ts'),
    instead: 'take a Clock (src/lib/clock.ts): sleep(ms, signal) or schedule(ms, task)',
  },
  {
    name: 'console',
    pattern: /\bconsole\.\w+/g,
    applies: inSourceBut('src/main.ts', 'src/demo/'),
    instead: 'take a Log (src/lib/log.ts)',
  },
  {
    name: 'process.env',
    pattern: /\bprocess\.env\b/g,
    // What a child process is given of the environment is chosen there.
    applies: (path) => inSourceBut('src/main.ts', 'src/demo/', 'src/process/environment.ts')(path) && !isTestFile(path),
    instead: 'add the variable to src/config/settings.ts and take its value from Config',
  },
  {
    name: 'process.argv',
    pattern: /\bprocess\.argv\b/g,
    applies: inSourceBut('src/main.ts'),
    instead: 'take arguments as parameters; only src/main.ts reads the command line',
  },
  {
    name: 'process.exit',
    pattern: /\bprocess\.(?:exit\s*\(|exitCode\b)/g,
    applies: inSourceBut('src/main.ts'),
    instead: 'throw a HoldfastError or let the signal abort; only src/main.ts ends the process',
  },
  {
    name: 'enum',
    pattern: /^[ \t]*(?:export\s+)?(?:declare\s+)?(?:const\s+)?enum\s+\w/gm,
    applies: everywhere,
    instead: 'a union of literals, or an `as const` table with `keyof typeof`',
  },
  {
    name: 'namespace',
    pattern: /^[ \t]*(?:export\s+)?(?:declare\s+)?namespace\s+\w/gm,
    applies: everywhere,
    instead: 'a module',
  },
  {
    name: 'default export',
    pattern: /^[ \t]*export\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b/gm,
    applies: everywhere,
    instead: 'a named export',
  },
  {
    name: 'export *',
    pattern: /^[ \t]*export\s+\*/gm,
    applies: (path) => !PUBLIC_ENTRIES.includes(path),
    instead: 'let the reader import from the file that has it; no barrels',
  },
  {
    name: 'any',
    pattern: /(?:[:|&<,(]|\bas|=>)\s*any\b(?!\s*[:(.'"])/g,
    applies: everywhere,
    instead: 'unknown, parsed at the edge',
  },
  {
    name: 'non-null assertion',
    pattern: /[\w$)\]]!(?=[.,;)\]}[(]|\s*$|\s+(?:as|satisfies)\b)/gm,
    applies: everywhere,
    instead: 'a check that narrows, or `?? fallback`',
  },
  {
    name: 'decorator',
    pattern: /^[ \t]*@\w+(?:\([^)]*\))?[ \t]*$/gm,
    applies: everywhere,
    instead: 'a function that wraps',
  },
]

const BANNED_NAMES = /(?:^|[/.-])(?:utils?|helpers?|managers?|commons?|misc)(?=[/.-]|$)/
const NODE_BUILTINS =
  /^(?:assert|buffer|child_process|crypto|dns|events|fs|http|https|net|os|path|stream|timers|tls|url|util|zlib)(?:\/|$)/

/** Everything in the file that the style does without. */
export function bannedFindings(file: SourceFile): readonly Finding[] {
  const calls = bans
    .filter((ban) => ban.applies(file.path))
    .flatMap((ban) =>
      [...file.code.matchAll(ban.pattern)].map((match) => {
        const offset = match.index + Math.max(0, match[0].search(/\S/))
        return finding(file, offset, `${ban.name} is not used here; instead: ${ban.instead}`)
      }),
    )
  return [...calls, ...suppressionFindings(file), ...nameFindings(file), ...importFindings(file)]
}

function suppressionFindings(file: SourceFile): readonly Finding[] {
  return [...file.text.matchAll(/^.*(?:\/\/|\/\*)\s*@ts-(?:ignore|nocheck)/gm)].map((match) =>
    finding(
      file,
      match.index,
      'a suppressed type error; instead: @ts-expect-error with the reason, or a type that holds',
    ),
  )
}

function nameFindings(file: SourceFile): readonly Finding[] {
  const name = file.path.slice(file.path.lastIndexOf('/') + 1)
  const findings: Finding[] = []
  if (BANNED_NAMES.test(file.path)) {
    findings.push(finding(file, 0, 'the name says nothing; instead: name the concept that the file holds'))
  }
  if (name === 'index.ts') findings.push(finding(file, 0, 'no barrels; instead: name the file by its concept'))
  if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.test|\.fixture)?\.(?:ts|mjs)$/.test(name)) {
    findings.push(
      finding(file, 0, 'file names are kebab-case, a test is `name.test.ts`, what it is fed with `name.fixture.ts`'),
    )
  }
  return findings
}

function importFindings(file: SourceFile): readonly Finding[] {
  return importsOf(file).flatMap(({ specifier, offset }) => {
    if (specifier.startsWith('.') && !/\.(?:ts|mjs|json)$/.test(specifier)) {
      return [finding(file, offset, `'${specifier}': a relative import names the file with its extension`)]
    }
    if (NODE_BUILTINS.test(specifier)) return [finding(file, offset, `'${specifier}'; instead: 'node:${specifier}'`)]
    return []
  })
}
