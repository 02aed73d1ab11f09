import { isAbsolute } from 'node:path'
import { boolean, integer, seconds } from './setting.ts'
import type { Setting, SettingText } from './setting.ts'

/** Schemes of source URLs that can be allowed. All but http and https are read by an ffmpeg of their own. */
export const SOURCE_PROTOCOLS: readonly string[] = [
  ...['http', 'https', 'rtsp', 'rtsps', 'srt', 'rtmp', 'rtmps'],
  ...['udp', 'rtp', 'file'],
]

const FIRST_PROTOCOLS = 'http,https,rtsp,rtsps,srt,rtmp,rtmps'
const DIRECTORIES_MAX = 32

function protocols(text: SettingText): Setting<readonly string[]> {
  const parse = (value: string): readonly string[] => {
    const names = value.split(',').map((name) => name.trim().toLowerCase())
    if (names.some((name) => !SOURCE_PROTOCOLS.includes(name))) {
      throw new Error(`must be a list, separated by commas, out of ${SOURCE_PROTOCOLS.join(', ')}`)
    }
    return [...new Set(names)]
  }
  return {
    ...text,
    unit: 'protocols',
    defaultText: FIRST_PROTOCOLS,
    defaultValue: parse(FIRST_PROTOCOLS),
    parse,
  }
}

function directories(text: SettingText): Setting<readonly string[]> {
  return {
    ...text,
    unit: 'directories',
    defaultText: '',
    defaultValue: [],
    parse: (value) => {
      const paths = value.split(',').map((path) => path.trim())
      if (paths.length > DIRECTORIES_MAX || !paths.every((path) => isAbsolute(path) && path !== '/')) {
        throw new Error(`must be absolute paths other than /, separated by commas, at most ${DIRECTORIES_MAX} of them`)
      }
      return paths
    },
  }
}

/** Sources that a program of their own has to read, and programs that find out where a source is. */
export const sourceProcesses = {
  sourceProtocols: protocols({
    name: 'SOURCE_PROTOCOLS',
    group: 'sources',
    doc: 'Schemes that a source URL may have; udp, rtp and file are off until they are named. See docs/SOURCES.md.',
  }),
  sourceFileDirectories: directories({
    name: 'SOURCE_FILE_DIRECTORIES',
    group: 'sources',
    doc: 'Directories below which `file:` sources may lie. Unset: none may.',
  }),
  sourceProcessesMax: integer(
    {
      name: 'SOURCE_PROCESSES_MAX',
      group: 'sources',
      doc: 'Sources that may be read by an ffmpeg of their own at once (rtsp, srt, rtmp, udp, rtp, file).',
    },
    64,
    'processes',
    { minimum: 0, maximum: 10_000 },
  ),
  streamlinkEnabled: boolean(
    { name: 'STREAMLINK_ENABLED', group: 'sources', doc: 'Whether streams may ask for the resolver streamlink.' },
    true,
  ),
  ytdlpEnabled: boolean(
    { name: 'YTDLP_ENABLED', group: 'sources', doc: 'Whether streams may ask for the resolver ytdlp.' },
    true,
  ),
  resolversMax: integer(
    { name: 'RESOLVERS_MAX', group: 'sources', doc: 'Runs of streamlink and yt-dlp at once; others wait their turn.' },
    4,
    'processes',
    { minimum: 1, maximum: 100 },
  ),
  resolverTimeoutMs: seconds(
    { name: 'RESOLVER_TIMEOUT_SECONDS', group: 'sources', doc: 'Time for streamlink or yt-dlp to find an address.' },
    30,
    { minimum: 1, maximum: 300 },
  ),
} as const
