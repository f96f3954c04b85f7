// The message format, and what the modules of the page hand to each other. Types only: nothing here reaches a browser.

export type Method = 'lookahead' | 'plain';
/** r root, a accepted, x rejected, u unchecked: a letter per node. */
export type Status = 'r' | 'a' | 'x' | 'u';
export type TokenKind = 'accepted' | 'bonus';
/** What is played of a step, in this order. */
export type Phase = 'retrieve' | 'draft' | 'verify' | 'accept';

/** The draft tree of a step; every field is a list over its nodes, the root first, parents before children. */
export interface Draft {
  ids: number[];
  text: string[];
  parent: number[];
  p: number[]; // estimated probability of the whole path
  source: string[];
  count: number[];
  status: string; // A letter per node, see Status
  wants: (string | null)[]; // the model's choice after the node; null where it depends on the path
}

/** The most probable candidate that a search left out. */
export interface Candidate { text: string; p: number; source: string; reason: string; parent: number }

/** What a search saw and did not draft. */
export interface LeftOut { unseen: number; pays: number; branch_length: number; width: number; strategy: number; best: Candidate | null }

/** One forward pass. */
export interface Step {
  i: number;
  context: number;
  match: number;
  draft: Draft | null; // null for the prefill
  path: number[]; // accepted nodes, the root's child first
  emitted: [id: number, text: string, kind: TokenKind][];
  ms: number[]; // milliseconds of retrieve, forward, verify, commit
  trie: [held: number, added: number, pruned: number]; // n-grams in the tries, added and pruned by this step
  at: number; // seconds from the start of the run to the end of the step
  finish: string | null;
  left_out?: LeftOut | null;
}

/** A step with a draft. */
export type DraftStep = Step & { draft: Draft };

/** What is known of a run before its first step. */
export interface Head {
  method: Method;
  prompt: string[]; // the prompt, a piece per token
  prompt_ids?: number[]; // its token ids; without them nothing is marked in the text
  model: string;
  drawn?: boolean; // whether tokens were drawn, not the likeliest ones taken
  seed?: number; // what decided the draws
  settings: string;
  config: Record<string, any>;
  limit: number;
  note: string;
  earlier?: number | null; // outputs of earlier runs that it could draft from; null where that is not known
  corpus: boolean; // whether the server knows a corpus that the run can draft from
}

/** What is known of a run after its end. */
export interface End {
  finish_reason: string;
  tokens: number;
  seconds: number;
  decode_seconds: number;
  parted: { gap: number; near_tie: boolean; dtype: string } | null; // where a comparison run took another token: how close the model's decision was
  problem: string | null;
  repeat_seconds?: number[] | null; // wall clock of further tries of the run, made in turns with the one beside it
  beside_seconds?: number[] | null; // and of the run before it in its scene
  known?: boolean; // whether an earlier output that it drafted from holds all that it wrote
  file?: string; // name of its files, without an ending
  pays?: number | null; // tokens that a pass with one draft token must bring to pay: T(2) / T(1); null where that is not known
  mean_accepted_tokens: number | null;
  acceptance_rate: number | null;
  tokens_per_second: number | null;
}

/** Some steps of a run: an event of its step stream. `head` comes with step 0, `end` with the last. */
export interface StepMessage {
  run: string;
  method: Method;
  from: number; // index of the first of the steps
  steps: Step[];
  head: Head | null;
  end: End | null;
}

/** A setting that the page offers, as the server describes it. */
export interface Knob {
  name: string;
  kind: 'whole' | 'number' | 'choice' | 'choices' | 'switch';
  default: any;
  label: string;
  help: string;
  low: number;
  high: number;
  choices: string[];
  optional: boolean; // whether 0 says "no limit of its own"
}

/** Something that draft tokens can come from. */
export interface Source { name: string; symbol: string; light: string; dark: string; help: string; earlier: string; chance: string }

/** A recorded run that is bundled with the page. */
export interface Example { name: string; title: string; model: string; seconds: number[][] } // of every try of its runs

export interface PageFacts { knobs: Knob[]; sources: Source[]; examples: Example[] }

/** A value of the stage's component: the first sight, or the runs that one press of a button started so far. */
export interface StageValue { page?: PageFacts; recorded?: boolean; example?: string | null; messages?: StepMessage[]; scene?: string[]; of?: number }

/** A run as the page has it: everything that its messages said so far. */
export interface Run { id: string; method: Method; head: Head; steps: Step[]; end: End | null }

/** A finished run. */
export type EndedRun = Run & { end: End };

/** n-grams after a suffix, every field a list over its nodes, the suffix first; counts by where they were read. */
export interface Picture { id: number[]; text: string[]; parent: number[]; new: boolean[]; [place: string]: any[] }

export interface TrieLevel { kind: string; length: number; match: string[]; picture: Picture }

/** Server functions answer `{error}` where they cannot. */
export type Answer<T> = T & { error?: string };

export interface TrieView {
  step: number;
  levels: TrieLevel[];
  size: { n_grams: number; bytes: number };
  earlier: { outputs: number; tokens: number } | null;
  corpus: { n_grams: number } | null;
}

export interface NodeSeen { where: string; matched: number; before: string; token: string; after: string; place: [token: number, of: number] | null }

export type Metrics = Record<string, number | null>;

export interface WhatIf { real: Metrics; estimate: Metrics; exact: boolean; again: number }

/** The questions that the page asks the server. */
export interface Server {
  steps(question: { run: string; from: number }): Promise<Answer<StepMessage>>;
  trie_view(question: { run: string; step: number; text: string }): Promise<Answer<TrieView>>;
  node_seen(question: { run: string; step: number; node: number }): Promise<Answer<NodeSeen>>;
  what_if(question: { run: string; config: Record<string, any> }): Promise<Answer<WhatIf>>;
  run_file(question: { run: string; beside: string | null }): Promise<Answer<{ text: string; note?: string }>>;
  open_run(question: { text: string; note: string }): Promise<Answer<{ messages: StepMessage[] }>>;
  example(question: { name: string }): Promise<Answer<{ messages: StepMessage[] }>>;
  graph_file(question: { run: string; step: number }): Promise<Answer<{ text: string }>>;
}

/** What Gradio hands to the stage. */
export interface Gradio { server: Server; props: { value: string }; trigger(event: string, data: object): void }

/** What a pane draws. Only `run` and `step` are needed: a pane may be anywhere, at a step that never changes. */
export interface State {
  run: Run;
  step: number; // index of the step; there may be no such step yet
  runs?: Run[]; // the runs that are shown side by side, this one among them
  over?: boolean; // whether all runs of the scene are over. Until then nothing that costs time is asked, since the runs are timed
  live?: boolean; // whether more steps of the run may come
  playing?: boolean;
  overTime?: boolean; // whether the race is shown over time, not over passes
  node?: number | null; // the draft node that is pointed at or was clicked
  speed?: number; // steps per second that are played; 0: phase by phase
  following?: boolean; // whether the newest step is shown as it comes
  byHand?: boolean; // whether the step was just chosen by hand
  pictured?: boolean; // whether pictures are drawn, too: not at every update of a run that streams by
  summed?: boolean; // whether the sentence says what the whole run amounts to, not what the step did
  kept?: string | null; // id of a run that stays beside those that come next
  phase?: Phase | null; // how far the step is shown; null: whole
  lost?: Lost | null; // where the run was opened from a row of the Lab
}

/** What a row of the Lab (from 1) lost at the step that it opens; study: null for the example. */
export interface Lost { step: number; row: number; cause: string; tokens: number; study: string | null }

/** What a pane may use of the page around it. It does without what is missing. */
export interface Context extends PageFacts {
  server: Server;
  go?(step: number): void; // shows another step
  goBy?(steps: number): void; // the one so many further on
  turn?(): void; // plays, or pauses where it plays
  nextPhase?(): void; // shows the next phase of the step, or the first of the next one
  setSpeed?(stepsPerSecond: number): void;
  follow?(following: boolean): void;
  raceOver?(time: boolean): void;
  show?(run: string): void; // puts another run of the scene on the stage
  point?(node: number | null): void; // A draft node is pointed at (null: no more), or clicked
  pin?(node: number | null): void;
  still?: boolean; // the draft tree keeps its order and its place whatever becomes of its nodes
  save?(): Promise<string>; // saves the runs of the scene as a file; answers what there is to say about it
  keep?(): void; // the run on the stage stays beside those that come next, or no longer
  open?(file: File): Promise<string>; // opens a run file; answers what was wrong with it
}

export interface Pane {
  draw(state: State): void;
  settle?(state: State): void; // reads the layout; called after every pane of the page has drawn
  resize?(): void; // the width of its box has changed; the next draw is in full
}

export type Mount = (box: HTMLElement, context: Context) => Pane;
