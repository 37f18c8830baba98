// Examples for the help of each command, where the command has none of its own beside it.

import type { Command } from 'commander'

/** By what is typed after `roost`; what follows it is the example. */
const examples: Readonly<Record<string, readonly string[]>> = {
  hub: ['', '--new-admin-token'],
  logout: ['', 'plant-7'],
  'context list': [''],
  'context use': ['plant-7'],
  'context remove': ['plant-7'],
  'model list': ['', '--tag team=vision'],
  'model show': ['press-fault', 'press-fault 7', 'press-fault @champion --json'],
  'model card': ['press-fault 7', 'press-fault @champion --format cyclonedx --out card.json'],
  'model manifest': ['press-fault 7 --out manifest.json', 'press-fault 7 --variant int8'],
  'model release': ['press-fault 7 manifest.json.dsse'],
  'model edit': [
    'press-fault --description "finds faults of presses"',
    'press-fault 7 --tag dataset=2026-11 --untag draft',
  ],
  'model alias': ['press-fault champion 7', 'press-fault canary --remove'],
  'model seal': ['press-fault', 'press-fault --off'],
  'model aliases': ['press-fault'],
  'model stage': ['press-fault 7 staging'],
  'model delete': ['press-fault 3', 'press-fault'],
  'model restore': ['press-fault 3', 'press-fault'],
  sign: ['manifest.json --key release.pem --out manifest.json.dsse'],
  'datasets push': ['bench november.parquet', 'bench rows.txt --format csv --description "of line 3"'],
  'datasets list': [''],
  'datasets show': ['bench', 'bench 2'],
  'datasets compare': ['bench/1 bench/2'],
  evaluate: [
    'press-fault 7 --dataset bench/2 --label fault --wait',
    'press-fault 7 --dataset bench/2 --label fault --slice site --fairness shift --champion 6',
  ],
  explain: ['press-fault 7 --dataset bench/2 --row 12'],
  'token create': ['"Line 3 pipeline" --role ci --model press-fault', 'Ada --role operator --days 90'],
  'token list': [''],
  'token revoke': ['K8wqPlQg'],
  'claim create': ['--label site=north --uses 20 --hours 48'],
  'claim list': [''],
  'claim revoke': ['c-1f0a'],
  'audit list': ['--subject model:press-fault --limit 20', '--from 2026-11-01T00:00:00Z --action rollout.'],
  'audit export': ['--from 2026-11-01T00:00:00Z'],
  'audit head': [''],
  'audit verify': ['', '--data /var/lib/roost'],
  'backup create': [''],
  'backup list': [''],
  'device show': ['gateway-1'],
  'device label': ['gateway-1 --set site=north --set line=3'],
  'device run': ['gateway-1 press-fault 7', 'gateway-1 press-fault @champion --deployment press'],
  'device retry': ['gateway-1 press'],
  'device revoke': ['gateway-1'],
  'group create': ['north "site = north and profile = raspberry-pi-5"'],
  'group list': [''],
  'group show': ['north'],
  'group delete': ['north'],
  'rollout plan': [
    'press-fault 7 --group north',
    'press-fault @champion --group north --plan friday.yaml --devices 100',
  ],
  'rollout list': ['', '--limit 10 --json'],
  'rollout show': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout watch': ['r-0mwxcc7fp-f99f6e91ef', 'r-0mwxcc7fp-f99f6e91ef --patience 60'],
  'rollout devices': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout explain': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout history': ['r-0mwxcc7fp-f99f6e91ef', 'r-0mwxcc7fp-f99f6e91ef --json'],
  'rollout begin': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout pause': ['r-0mwxcc7fp-f99f6e91ef --reason "line 3 stands still"'],
  'rollout resume': ['r-0mwxcc7fp-f99f6e91ef --reason "the two failures were a power cut"'],
  'rollout abort': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout rollback': ['r-0mwxcc7fp-f99f6e91ef', 'r-0mwxcc7fp-f99f6e91ef --stage half'],
  'rollout release': ['r-0mwxcc7fp-f99f6e91ef'],
  'rollout advance': ['r-0mwxcc7fp-f99f6e91ef --stage canary'],
  'rollout retry': ['r-0mwxcc7fp-f99f6e91ef', 'r-0mwxcc7fp-f99f6e91ef --device gateway-1'],
  'rollout approve': ['r-0mwxcc7fp-f99f6e91ef --stage all'],
  'rollout reject': ['r-0mwxcc7fp-f99f6e91ef --reason "not before the holidays"'],
  approve: ['', 'p-1f0a --comment "looked at the slices"', 'p-1f0a --reject --comment "too slow"'],
  'gates show': ['press-fault', 'press-fault 7'],
  'gates check': ['press-fault 7 --to production'],
  'gates set': ['press-fault policy.json'],
  'runs list': ['--experiment presses --filter "metrics.loss < 0.3" --order "metrics.loss ASC"'],
  'runs show': ['2f6c0c3f1a2b4d5e8f90a1b2c3d4e5f6'],
  'runs compare': ['2f6c0c3f1a2b4d5e8f90a1b2c3d4e5f6 0a1b2c3d4e5f62f6c0c3f1a2b4d5e8f9 --curves loss'],
  status: [''],
  telemetry: ['device gateway-1', 'model press-fault --json'],
  events: ['gateway-1 --limit 20'],
  lineage: ['version:press-fault/7', 'version:press-fault@champion --direction upstream --depth 3'],
}

/** Puts them under the help of the commands they are of. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  for (const child of command.commands) addExamples(child, [...path, child.name()])
  const typed = ['roost', ...path].join(' ')
  const own = examples[path.join(' ')]
  if (own === undefined) return
  command.addHelpText('after', ['', 'Examples:', ...own.map((rest) => `  $ ${`${typed} ${rest}`.trim()}`)].join('\n'))
}
