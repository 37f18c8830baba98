// The plans that docs/plans.md recommends, word for word.

export const templates: readonly { title: string; text: string }[] = [
  {
    title: 'The shortest',
    text: `stages:
  - { name: canary, devices: 10, bake: 4h }
  - { name: all, percent: 100, bake: 1h }
`,
  },
  {
    title: 'Friday evening',
    text: `stages:
  - { name: shadow, mode: shadow, devices: 10, shadowSample: 0.2, bake: 12h }
  - { name: canary, percent: 5, bake: 24h }
  - { name: quarter, percent: 25, bake: 24h }
  - { name: all, percent: 100, bake: 2h }
gates:
  - { metric: installation, failuresMax: 0 }
  - { metric: silence, silent: 2h, margin: 0.1 }
  - { metric: error_rate, margin: 0.01 }
  - { metric: latency, quantile: 0.95, ratioMax: 1.25, slackUs: 500 }
window: { from: "01:00", to: "05:00", timezone: Europe/Berlin }
stageTimeLimit: 4d
failuresMaxPercent: 2
`,
  },
  {
    title: 'The laboratory first, then with approval',
    text: `stages:
  - { name: laboratory, where: site = lab, bake: 1h }
  - { name: canary, percent: 10, bake: 24h, hold: true }
  - { name: all, percent: 100, bake: 1h, approvals: 2 }
stageTimeLimit: 3d
onFail: pause
`,
  },
  {
    title: 'A metric of the application',
    text: `stages:
  - { name: canary, percent: 10, bake: 12h }
  - { name: all, percent: 100, bake: 1h }
gates:
  - { metric: installation }
  - { metric: custom, name: scrap_rate, better: lower, margin: 0.1, relative: true, onFail: rollback }
  - { metric: accuracy, margin: 0.02, onUndecided: pause }
stageTimeLimit: 7d
`,
  },
  {
    title: 'A slow link',
    text: `stages:
  - { name: canary, devices: 5, bake: 2h }
  - { name: all, percent: 100, bake: 2h }
pace: { devicesPerMinute: 2 }
concurrency: 5
installTimeout: 6h
stageTimeLimit: 5d
`,
  },
]
