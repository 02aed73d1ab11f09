import { integer, optionalString, string } from './setting.ts'
import type { Setting } from './setting.ts'

const PORT_MAX = 65_535

/** A port; unset is no port at all, and 0 lets the system choose. */
const proxyPort: Setting<number | undefined> = {
  ...integer(
    {
      name: 'PROXY_PORT',
      group: 'proxy',
      doc: 'TCP port of the reverse proxy, for services without listeners of their own; 0 lets the system choose. Unset: there is none.',
    },
    0,
    'port',
    { minimum: 0, maximum: PORT_MAX },
  ),
  defaultText: '',
  defaultValue: undefined,
}

export const proxy = {
  proxyPort,
  proxyHost: optionalString({
    name: 'PROXY_HOST',
    group: 'proxy',
    doc: 'Address on which the reverse proxy listens. Unset: the one of HOST.',
  }),
  configFile: optionalString({
    name: 'HOLDFAST_CONFIG',
    group: 'proxy',
    doc: 'File with services (.yaml, .yml or .json), see PROXY.md. It is read again when it changes and on SIGHUP.',
  }),
  proxyPseudonym: string(
    { name: 'PROXY_PSEUDONYM', group: 'proxy', doc: 'What the gateway is called in Via (RFC 9110, 7.6.3).' },
    'holdfast',
    { pattern: /^[\w.-]{1,64}$/, allowed: 'a word of letters, digits and . _ -' },
  ),
  maxServices: integer(
    { name: 'MAX_SERVICES', group: 'proxy', doc: 'Services that can exist, those of the file included.' },
    1_000,
    'services',
    { minimum: 0, maximum: 10_000 },
  ),
} as const
