import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openProcessRoom } from '../../test/lab/process-room.ts'
import { ProgramVersions } from './program-versions.ts'

test('a program is asked once, and again where it gave no answer', async () => {
  await using room = openProcessRoom()
  const program = join(room.directory, 'tool')
  const versions = new ProgramVersions(room.processes)
  assert.equal(await versions.of(program, ['--version']), undefined)
  const write = (rest: string) => {
    writeFileSync(program, `#!/bin/sh\n${rest}\n`)
    chmodSync(program, 0o755)
  }
  write('echo broken; exit 1')
  assert.equal(await versions.of(program, ['--version']), undefined)
  write('echo "tool $1 1.2"; echo more; rm "$0"')
  const both = await Promise.all([versions.of(program, ['--version']), versions.of(program, ['--version'])])
  assert.deepEqual(both, ['tool --version 1.2', 'tool --version 1.2'])
  assert.equal(await versions.of(program, ['--version']), 'tool --version 1.2')
})
