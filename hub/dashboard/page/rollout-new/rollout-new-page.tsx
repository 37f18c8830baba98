// A rollout as it is planned: what goes where, the plan as a form and as text, which are one and the same, and what the
// hub would make of it.

import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { type PlanText, placeOf, readPlanText, type TextFault } from '../../../rollouts/plan/plan-text.ts'
import { planText } from '../../../rollouts/plan/written-plan.ts'
import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { useResource } from '../resource.ts'
import { navigate } from '../router.ts'
import { useMay, useSession } from '../session.ts'
import { Answer } from './answer.tsx'
import { useDraft } from './draft.ts'
import { useDryRun, type Wish } from './dry-run.ts'
import { inventory } from './inventory.ts'
import { PlanContext, planPath } from './plan-context.ts'
import { type Edit, edited } from './plan-edits.ts'
import { PlanForm } from './plan-form.tsx'
import { PlanTextArea } from './plan-text-area.tsx'
import './rollout-new.css'
import { StartDialog } from './start-dialog.tsx'
import { Subject } from './subject.tsx'
import { templates } from './templates.ts'
import { useHistory } from './text-history.ts'

const tabs = [
  { key: 'form', title: 'Form' },
  { key: 'text', title: 'Text' },
  { key: 'answer', title: 'Dry run' },
] as const

export function RolloutNewPage({ address }: PageProps) {
  const may = useMay()
  const { token } = useSession()
  const { draft, change, forget, startAnew } = useDraft(address, token)
  const [isStarting, setStarting] = useState<'now' | 'draft'>()
  const things = useResource('inventory', inventory, ['models', 'fleet'])
  const earlier = useEarlierPlan(draft.from, change)
  const setText = useCallback((text: string | undefined) => change({ text }), [change])
  const history = useHistory(draft.text, setText)

  // what cannot be read asks nothing; the hub's own proposal stands in the text until it is changed
  const own = useMemo(() => (draft.text === undefined ? undefined : readPlanText(draft.text)), [draft.text])
  const wish = useMemo(() => wishOf(draft, own), [draft, own])
  const run = useDryRun(
    wish,
    draft.id,
    useCallback((id: string | undefined) => change({ id }), [change]),
  )
  const { preview, refusal } = run
  const proposed = draft.text === undefined && preview !== undefined ? planText(preview.plan) : ''
  const text = draft.text ?? proposed
  const read = useMemo(
    () => (text === draft.text && own !== undefined ? own : readPlanText(text)),
    [text, draft.text, own],
  )
  const lastRead = useRef<(PlanText & { ok: true }) | undefined>(undefined)
  if (read.ok) lastRead.current = read

  const said = useMemo(() => faultsOf(refusal?.problem), [refusal])
  const planFaults = useMemo(
    () =>
      said.flatMap(({ field, detail }) =>
        planPath(field) === undefined ? [] : [{ path: planPath(field) ?? [], detail }],
      ),
    [said],
  )
  const textFaults: TextFault[] = read.ok
    ? planFaults.map(({ path, detail }) => ({ ...placeOf(text, read.document, path), message: detail }))
    : text === '' && draft.text === undefined
      ? []
      : [read.fault]
  // several changes may come before the page is drawn again
  const latest = useRef(text)
  latest.current = text
  const write = useCallback(
    (next: string) => {
      latest.current = next
      history.put(next)
    },
    [history.put],
  )
  const edit = useCallback((...edits: Edit[]) => write(edited(latest.current, edits)), [write])

  if (things.value === undefined) {
    return things.error === undefined ? (
      <Loading rows={8} what="What can be rolled out is loading" />
    ) : (
      <ErrorState error={things.error} retry={things.refresh} />
    )
  }
  const { models, groups, labels } = things.value
  if (models.length === 0) return <NoModels />
  const hint = hintOf(draft, read, text)
  const canStart =
    wish !== undefined && preview !== undefined && !run.isAsking && refusal === undefined && hint === undefined
  const tab = tabOf(address, tabs) ?? 'form'
  return (
    <div class="stack rollout-new">
      <div class="title row between wrap">
        <h1>New rollout</h1>
        <span class="row wrap">
          <select
            aria-label="Begin from"
            value=""
            onChange={({ currentTarget }) => {
              const template = templates.find(({ title }) => title === currentTarget.value)
              if (currentTarget.value === 'hub') history.put(undefined)
              else if (template !== undefined) history.put(template.text)
              currentTarget.value = ''
            }}
          >
            <option value="">Begin from…</option>
            <option value="hub">The hub’s proposal</option>
            {templates.map(({ title }) => (
              <option key={title} value={title}>
                {title}
              </option>
            ))}
          </select>
          <button type="button" onClick={history.undo} disabled={!history.canUndo}>
            Undo
          </button>
          <button type="button" class="plain" onClick={startAnew}>
            Start anew
          </button>
          {may('operator', 'rollouts') && (
            <>
              <button type="button" disabled={!canStart} onClick={() => setStarting('draft')}>
                Keep as draft…
              </button>
              <button type="button" class="primary" disabled={!canStart} onClick={() => setStarting('now')}>
                Start…
              </button>
            </>
          )}
        </span>
      </div>
      {earlier.error !== undefined && (
        <p class="fault" role="alert">
          The plan of {draft.from} could not be taken over: {earlier.error.problem.detail}
        </p>
      )}
      <Subject
        draft={draft}
        models={models}
        groups={groups}
        labels={labels}
        change={change}
        refreshGroups={things.refresh}
        faults={said}
      />
      <div class="narrow-only">
        <Tabs label="Parts of the plan" tabs={tabs} current={tab} />
      </div>
      <div class="panes" data-shown={tab}>
        <section class="card pane form" aria-labelledby="pane-form">
          <h2 id="pane-form">Plan</h2>
          {lastRead.current === undefined ? (
            <p class="quiet">{hint ?? 'The hub proposes a plan by the number of devices…'}</p>
          ) : (
            <PlanContext.Provider
              value={{
                plan: lastRead.current.plan,
                document: lastRead.current.document,
                edit,
                faults: planFaults,
                labels,
              }}
            >
              {draft.text === undefined && (
                <p class="quiet small">
                  As the hub proposes it for so many devices. Whatever you change makes it yours.
                </p>
              )}
              {!read.ok && <p class="fault small">The text cannot be read as it is; the form waits for it.</p>}
              <fieldset class="stack" disabled={!read.ok}>
                <legend class="unseen">Plan</legend>
                <PlanForm />
              </fieldset>
            </PlanContext.Provider>
          )}
        </section>
        <section class="card pane text" aria-labelledby="pane-text">
          <h2 id="pane-text">The same as text</h2>
          <PlanTextArea text={text} faults={textFaults} onText={write} />
        </section>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, which the keyboard must be able to do */}
        <section class="card pane answer" aria-labelledby="pane-answer" tabIndex={0}>
          <h2 id="pane-answer">Dry run</h2>
          <Answer run={run} wish={wish} hint={hint} />
        </section>
      </div>
      {isStarting !== undefined && wish !== undefined && preview !== undefined && (
        <StartDialog
          preview={preview}
          wish={wish}
          isDraft={isStarting === 'draft'}
          onClose={() => setStarting(undefined)}
          onStarted={(id) => {
            forget()
            navigate(`/rollouts/${encodeURIComponent(id)}`)
          }}
        />
      )}
    </div>
  )
}

type Drafted = ReturnType<typeof useDraft>['draft']

function wishOf(
  { model, version, group, deployment, supersede, text, from }: Drafted,
  own: PlanText | undefined,
): Wish | undefined {
  const number = Number(version)
  const isReadable = text === undefined || own?.ok === true
  if (model === '' || group === '' || !Number.isSafeInteger(number) || number < 1 || !isReadable || from !== '')
    return undefined
  return {
    model,
    version: number,
    group,
    ...(deployment.trim() === '' ? {} : { deployment: deployment.trim() }),
    ...(supersede ? { supersede: true as const } : {}),
    ...(own?.ok === true ? { plan: own.plan } : {}),
  }
}

/** What is missing before the hub can be asked. */
function hintOf({ model, version, group, text: own }: Drafted, read: PlanText, text: string): string | undefined {
  const missing = [
    model === '' ? 'a model' : '',
    version === '' ? 'a version' : '',
    group === '' ? 'a group' : '',
  ].filter(Boolean)
  if (missing.length > 0)
    return `Choose ${new Intl.ListFormat('en').format(missing)}: the hub then says what would happen.`
  if (own !== undefined && !read.ok)
    return text.trim() === '' ? 'There is no plan in the text.' : 'The text cannot be read yet.'
  return undefined
}

type Said = { field: string; detail: string }

function faultsOf(
  problem: { detail: string; field?: string | undefined; errors?: Said[] | undefined } | undefined,
): Said[] {
  if (problem === undefined) return []
  if (problem.errors !== undefined && problem.errors.length > 0) return problem.errors
  return problem.field === undefined ? [] : [{ field: problem.field, detail: problem.detail }]
}

/** The plan of an earlier rollout, with what it was of and for; once. */
function useEarlierPlan(from: string, change: (part: Partial<Drafted>) => void) {
  const earlier = useResource(`from ${from}`, async (signal) =>
    from === '' ? undefined : answer(api.GET('/v1/rollouts/{id}', { params: { path: { id: from } }, signal })),
  )
  const { value } = earlier
  useEffect(() => {
    if (value === undefined || value.id !== from) return
    const { model, version, group, deployment, plan } = value
    change({
      from: '',
      model,
      version: String(version),
      group,
      deployment: deployment === model ? '' : deployment,
      ...(plan === null ? {} : { text: planText(plan) }),
    })
  }, [value, from, change])
  return earlier
}

function NoModels() {
  return (
    <div class="stack">
      <h1>New rollout</h1>
      <EmptyState title="No models yet">
        <p>
          Push one with <code>roost push</code>; then it can be rolled out.
        </p>
      </EmptyState>
    </div>
  )
}
