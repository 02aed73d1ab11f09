import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidateId } from '../../failover/candidate.ts'
import type { CodecSignature } from '../../mpegts/analyser/signature.ts'
import type { Source } from '../sources/source-list.ts'
import { Compatibility } from './compatibility.ts'

const source = (name: string, index: number): Source => ({
  ...{ candidateId: candidateId(name), index, url: `http://127.0.0.1/${name}` },
  ...{ priority: 0, weight: 1, headers: {} },
})
const video = (codec: 'h264' | 'hevc', streamType: number): CodecSignature => ({
  streams: [{ kind: 'video', codec, streamType, language: undefined, format: undefined }],
})

test('sources that are not listed any more are forgotten, the others are still compared', () => {
  const compatibility = new Compatibility()
  const [first, second, gone] = [source('a', 0), source('b', 1), source('token-of-yesterday', 1)]
  compatibility.learnt(first.candidateId, video('h264', 0x1b))
  compatibility.learnt(gone.candidateId, video('h264', 0x1b))
  compatibility.learnt(second.candidateId, video('hevc', 0x24))
  compatibility.keepOnly([first, second])
  assert.equal(compatibility.textOf(gone.candidateId), undefined)
  assert.equal(compatibility.warnings([first, second]).length, 1)
})
