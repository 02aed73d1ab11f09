import { boolean, choice, integer, optionalString, seconds } from './setting.ts'

export const transcode = {
  transcodesMax: integer(
    {
      name: 'TRANSCODES_MAX',
      group: 'transcoding',
      doc: 'Encoders that may run at once; one more is answered 503. 0: as many as the machine has cores.',
    },
    0,
    'encoders',
    { minimum: 0, maximum: 1_024 },
  ),
  transcodeProfiles: optionalString({
    name: 'TRANSCODE_PROFILES',
    group: 'transcoding',
    doc: 'JSON file of own profiles, see docs/TRANSCODING.md. Unset: the built-in ones.',
  }),
  transcodeRawArgs: boolean(
    {
      name: 'TRANSCODE_RAW_ARGS',
      group: 'transcoding',
      doc: 'Operators may give arguments of ffmpeg in place of a profile; they are held to the same list of options.',
    },
    false,
  ),
  transcodeHardware: choice(
    {
      name: 'TRANSCODE_HARDWARE',
      group: 'transcoding',
      doc: 'Encoders in silicon that built-in profiles may use. Each is tried with one picture before it is believed in.',
    },
    ['auto', 'off', 'nvenc', 'qsv', 'vaapi', 'v4l2m2m'],
    'auto',
  ),
  transcodeStartMs: seconds(
    {
      name: 'TRANSCODE_START_SECONDS',
      group: 'transcoding',
      doc: 'Time for an encoder that is given media to put out its first, before it is started anew.',
    },
    15,
    { minimum: 1, maximum: 300 },
  ),
} as const
