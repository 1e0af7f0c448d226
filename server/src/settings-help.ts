import { TOKEN_USAGE } from './identity/token-command.ts'
import { settingGroups } from './setting.ts'
import { allSettings } from './settings-table.ts'
import { STATE_USAGE } from './state-command.ts'
import { wrap } from './wrap.ts'

const HELP = `who-is-online: shows who is online, over a WebSocket at /ws?userId=ID

  --dev           start development; ENVIRONMENT is ignored
  --port N        the setting PORT
  --data-dir DIR  the setting DATA_DIR
  --print-config  print the value of each setting and where it comes from; secrets are hidden
  --help          print this text
  --version       print the version

Command token: makes a token, or says what is wrong with one.

${TOKEN_USAGE.replaceAll(/^/gm, '  ')}

Commands cluster-import and cluster-export: a single server becomes a cluster, and back.

${STATE_USAGE.replaceAll(/^/gm, '  ')}

Exit codes: 0 stopped, 1 failed, 64 wrong flag, 75 another process uses the data directory,
            78 wrong settings or state.

Settings are read from the flags, then from the environment of the process, then from .env in
the working directory. The state is in ./data and the logs are in ./logs, unless
DATA_DIR and LOG_DIR are set.`

/** Together with the indent at most 100 columns. */
const HELP_WIDTH = 94

/** What `--help` prints. */
export function help(): string {
  const groups = Object.entries(settingGroups).map(([group, about]) => {
    const members = allSettings.filter(([, setting]) => setting.group === group).map(helpOf)
    return [`${group}: ${about}`, ...members].join('\n')
  })
  return [HELP, ...groups].join('\n\n')
}

function helpOf([
  name,
  { default: byDefault, developmentDefault, unset, values, meaning, whenToChange },
]: (typeof allSettings)[number]): string {
  return [
    `  ${name}=${byDefault ?? ''}`,
    ...wrap(`${meaning} Values: ${values.allowed.replaceAll('`', '')}.`, HELP_WIDTH),
    ...(developmentDefault === undefined
      ? []
      : wrap(`Default in development: ${developmentDefault}.`, HELP_WIDTH)),
    ...(unset === undefined ? [] : wrap(`Unset: ${unset}.`, HELP_WIDTH)),
    ...wrap(`When to change it: ${whenToChange}`, HELP_WIDTH),
  ].join('\n      ')
}
