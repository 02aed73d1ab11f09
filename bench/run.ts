import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** Runs every benchmark after the other and writes what they found into docs/BENCHMARKS.md. */

const BENCHMARKS: readonly (readonly [file: string, args: readonly string[]])[] = [
  ['faults.ts', []],
  ['detect.ts', []],
  ['fanout.ts', []],
  ['faults-hls.ts', []],
  ['faults-transcode.ts', []],
  ['fanout-hls.ts', []],
  ['packager.ts', []],
  ['cmaf.ts', []],
  ['soak.ts', []],
  ['soak-hls.ts', []],
  ['seams.ts', []],
  ['splice.ts', []],
  ['seamless-cost.ts', []],
]

for (const [file, args] of BENCHMARKS) {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const child = spawn(process.execPath, [path, ...args, '--write'], { stdio: 'inherit' })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) {
    process.stderr.write(`${file} failed (${code ?? 'killed'})\n`)
    process.exitCode = 1
  }
}
