import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { CORPUS_URL, MASTER, MEDIA } from './corpus.fixture.ts'
import { parsePlaylist } from './parse-playlist.ts'
import { LEAK, masterPlaylists, mediaPlaylists } from './playlist-models.fixture.ts'
import { PLAYLIST_CHARS_MAX } from './playlist-text.ts'
import { PlaylistError } from './playlist.ts'
import type { MasterPlaylist, MediaPlaylist } from './playlist.ts'
import { rewriteUris } from './rewrite.ts'
import { PlaylistRules } from './rules.ts'
import { writePlaylist } from './write-playlist.ts'

const anyPlaylist: fc.Arbitrary<MasterPlaylist | MediaPlaylist> = fc
  .oneof(mediaPlaylists, masterPlaylists)
  // Of plain objects, as the parser makes them.
  .map((playlist) => structuredClone(playlist))

/** The playlist, or undefined when it is none; any other error is thrown on. */
function parsed(text: string): MasterPlaylist | MediaPlaylist | undefined {
  try {
    return parsePlaylist(text, { url: CORPUS_URL })
  } catch (error) {
    if (error instanceof PlaylistError && error.line >= 1) return undefined
    throw error
  }
}

test('every playlist comes back from its text as it was', () => {
  fc.assert(
    fc.property(anyPlaylist, (playlist) => {
      assert.deepEqual(parsePlaylist(writePlaylist(playlist)), playlist)
    }),
    { numRuns: 400 },
  )
})

test('no address that stood in a playlist is left in its text after they are rewritten', () => {
  fc.assert(
    fc.property(anyPlaylist, (playlist) => {
      const text = writePlaylist(rewriteUris(playlist, (_, kind) => `ours/${kind}`))
      assert.ok(writePlaylist(playlist).includes(LEAK) || !('variants' in playlist))
      assert.ok(!text.includes(LEAK), text)
    }),
    { numRuns: 400 },
  )
})

/** A text of the corpus with lines and characters lost, doubled, moved and put in. */
const corpus = [...Object.values(MEDIA), ...Object.values(MASTER)]
const edit = fc.record({
  kind: fc.constantFrom('drop', 'double', 'swap', 'insert', 'cut', 'borrow'),
  at: fc.nat(),
  other: fc.nat(),
  text: fc.oneof(
    fc.string({ maxLength: 6 }),
    fc.constantFrom('"', ',', '=', '\r', '\n', '{$host}', '@', '\u2028', '#EXT', '\0'),
  ),
})
const damaged = fc
  .record({ base: fc.constantFrom(...corpus), edits: fc.array(edit, { maxLength: 6 }) })
  .map(({ base, edits }) => edits.reduce(applyEdit, base))

function applyEdit(
  text: string,
  { kind, at, other, text: inserted }: typeof edit extends fc.Arbitrary<infer T> ? T : never,
) {
  const lines = text.split('\n')
  const index = at % lines.length
  switch (kind) {
    case 'drop':
      return lines.toSpliced(index, 1).join('\n')
    case 'double':
      return lines.toSpliced(other % lines.length, 0, lines[index] ?? '').join('\n')
    case 'swap':
      return lines
        .toSpliced(index, 1)
        .toSpliced(other % lines.length, 0, lines[index] ?? '')
        .join('\n')
    case 'borrow': {
      const foreign = (corpus[other % corpus.length] ?? '').split('\n')
      return lines.toSpliced(index, 0, foreign[at % foreign.length] ?? '').join('\n')
    }
    case 'cut':
      return text.slice(0, at % (text.length + 1))
    default:
      return text.slice(0, at % (text.length + 1)) + inserted + text.slice(at % (text.length + 1))
  }
}

test('a damaged playlist is read or refused, and what was read is the same after it is written', () => {
  let read = 0
  fc.assert(
    fc.property(damaged, (text) => {
      const playlist = parsed(text)
      if (playlist === undefined) return
      read++
      const written = writePlaylist(playlist)
      const again = parsed(written)
      assert.ok(again !== undefined, written)
      assert.deepEqual({ ...again, defines: [] }, { ...playlist, defines: [] })
      assert.equal(writePlaylist(again), written)
    }),
    { numRuns: 3000 },
  )
  assert.ok(read > 500)
})

interface Fetched {
  readonly uri?: string
  readonly map?: { readonly uri: string }
  readonly key?: { readonly uri: string }
  readonly parts?: readonly { readonly uri: string }[]
}
const { Parser } = createRequire(import.meta.url)('m3u8-parser') as {
  readonly Parser: new () => {
    push(text: string): void
    end(): void
    readonly manifest: { readonly segments: readonly Fetched[]; readonly playlists?: readonly Fetched[] }
  }
}

/** The other parser throws on some of what it does not understand: then no player that has it fetches anything. */
function readByVhs(text: string): { readonly segments: readonly Fetched[]; readonly playlists?: readonly Fetched[] } {
  const parser = new Parser()
  try {
    parser.push(text)
    parser.end()
    return parser.manifest
  } catch (error) {
    if (error instanceof TypeError) return { segments: [] }
    throw error
  }
}

test('another parser finds only our addresses in a damaged playlist that was rewritten', () => {
  fc.assert(
    fc.property(damaged, (text) => {
      const playlist = parsed(text)
      if (playlist === undefined) return
      const ours = writePlaylist(rewriteUris(playlist, () => 'ours/x', { otherTag: () => undefined }))
      const { segments, playlists = [] } = readByVhs(ours)
      for (const each of [...segments, ...playlists]) {
        const found = [each.uri, each.map?.uri, each.key?.uri, ...(each.parts ?? []).map(({ uri }) => uri)]
        for (const uri of found) assert.ok(uri === undefined || uri === 'ours/x', uri)
      }
    }),
    { numRuns: 1500 },
  )
})

test('any text at all is read or refused', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.boolean(), (text, isBegun) => {
      parsed(isBegun ? `#EXTM3U\n${text}` : text)
    }),
    { numRuns: 2000 },
  )
})

test('the checker judges whatever comes after whatever, and finds nothing new in the same playlist again', () => {
  fc.assert(
    fc.property(fc.array(damaged, { minLength: 2, maxLength: 4 }), (texts) => {
      const rules = new PlaylistRules()
      for (const [index, text] of texts.entries()) rules.pushText(text, index * 1000, CORPUS_URL)
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(mediaPlaylists, (playlist) => {
      const full = { ...playlist, skip: undefined }
      const rules = new PlaylistRules()
      const first = rules.push(full, 0)
      const again = rules.push(full, 1000)
      assert.ok(again.length <= first.length)
    }),
    { numRuns: 300 },
  )
})

test('texts made to be slow are read in one pass or refused', () => {
  const half = PLAYLIST_CHARS_MAX / 2 - 100
  const head = '#EXTM3U\n#EXT-X-TARGETDURATION:4\n'
  const slow = [
    `${head}#EXT-X-KEY:${','.repeat(half)}=`,
    `${head}#EXT-X-KEY:METHOD=AES-128,URI=${'a,'.repeat(half / 2)}`,
    `${head}#EXT-X-KEY:${'A=1,'.repeat(half / 4)}`,
    `${head}#EXT-X-KEY:${'="'.repeat(half / 2)}`,
    `${head}#EXTINF:${' '.repeat(half)}x,\na.ts\n`,
    `${head}#EXTINF:${'1'.repeat(half)}x,\na.ts\n`,
    `${head}#EXT-X-PROGRAM-DATE-TIME:${' '.repeat(half)}x\n`,
    `${head}${'#EXT-X-VENDOR\n'.repeat(half / 20)}#EXTINF:1,\na.ts\n`,
    `${head}${'#EXT-X-KEY:METHOD=AES-128,URI="k"\n'.repeat(half / 40)}`,
    `${head}${'#EXT-X-DATERANGE:ID="a"\n'.repeat(half / 40)}`,
    `${head}${'\n'.repeat(half)}`,
    `${head}${'#EXTINF:1,\na\n'.repeat(90_000)}`,
    `${head}#EXT-X-DEFINE:NAME="a",VALUE="${'a'.repeat(10_000)}"\n#EXT-X-MAP:URI="${'{$a}'.repeat(100_000)}"\n`,
    `#EXTM3U\n${Array.from({ length: 64 }, (_, i) => `#EXT-X-DEFINE:NAME="v${i + 1}",VALUE="{$v${i}}{$v${i}}"`).join('\n')}`,
  ]
  for (const text of slow) {
    const playlist = parsed(text)
    if (playlist !== undefined) assert.ok(writePlaylist(playlist).length < 3 * PLAYLIST_CHARS_MAX)
  }
})

test('a playlist that is longer than the limit is refused before it is looked at', () => {
  assert.throws(() => parsePlaylist(`#EXTM3U\n${'\n'.repeat(PLAYLIST_CHARS_MAX)}`), /more than 4194304/)
})
