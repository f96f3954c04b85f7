/**
 * The message format, and what the modules of the page hand to each other. Types only: nothing here reaches a browser.
 */

export type Method = 'lookahead' | 'plain';
/** r root, a accepted, x rejected, u unchecked: a letter per node. */
export type Status = 'r' | 'a' | 'x' | 'u';
export type TokenKind = 'accepted' | 'bonus';

/** The draft tree of a step; every field is a list over its nodes, the root first, parents before children. */
export interface Draft {
  ids: number[];
  text: string[];
  parent: number[];
  /** Estimated probability of the whole path. */
  p: number[];
  source: string[];
  count: number[];
  /** A letter per node, see Status. */
  status: string;
  /** The model's choice after the node; null where it depends on the path. */
  wants: (string | null)[];
}

/** The most probable candidate that a search left out. */
export interface Candidate {
  text: string;
  p: number;
  source: string;
  reason: string;
  parent: number;
}

/** What a search saw and did not draft. */
export interface LeftOut {
  unseen: number;
  pays: number;
  branch_length: number;
  width: number;
  strategy: number;
  best: Candidate | null;
}

/** One forward pass. */
export interface Step {
  i: number;
  context: number;
  match: number;
  /** Null for the prefill. */
  draft: Draft | null;
  /** Accepted nodes, the root's child first. */
  path: number[];
  emitted: [id: number, text: string, kind: TokenKind][];
  /** Milliseconds of retrieve, forward, verify, commit. */
  ms: number[];
  /** n-grams in the tries, added and pruned by this step. */
  trie: [held: number, added: number, pruned: number];
  /** Seconds from the start of the run to the end of the step. */
  at: number;
  finish: string | null;
  left_out?: LeftOut | null;
}

/** A step with a draft. */
export type DraftStep = Step & { draft: Draft };

/** What is known of a run before its first step. */
export interface Head {
  method: Method;
  /** The prompt, a piece per token. */
  prompt: string[];
  model: string;
  settings: string;
  config: Record<string, any>;
  limit: number;
  note: string;
  /** Whether the server knows a corpus that the run can draft from. */
  corpus: boolean;
}

/** What is known of a run after its end. */
export interface End {
  finish_reason: string;
  tokens: number;
  seconds: number;
  decode_seconds: number;
  /** Where a comparison run took another token: how close the model's decision was. */
  parted: { gap: number; near_tie: boolean; dtype: string } | null;
  problem: string | null;
  mean_accepted_tokens: number | null;
  acceptance_rate: number | null;
  tokens_per_second: number | null;
}

/** Some steps of a run: an event of its step stream. `head` comes with step 0, `end` with the last. */
export interface StepMessage {
  run: string;
  method: Method;
  /** Index of the first of the steps. */
  from: number;
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
  /** Whether 0 says "no limit of its own". */
  optional: boolean;
}

/** Something that draft tokens can come from. */
export interface Source {
  name: string;
  symbol: string;
  light: string;
  dark: string;
  help: string;
}

export interface PageFacts {
  knobs: Knob[];
  sources: Source[];
}

/** A value of the stage's component: the first sight, or the runs that one press of a button started so far. */
export interface StageValue {
  page?: PageFacts;
  recorded?: boolean;
  messages?: StepMessage[];
  scene?: string[];
  of?: number;
}

/** A run as the page has it: everything that its messages said so far. */
export interface Run {
  id: string;
  method: Method;
  head: Head;
  steps: Step[];
  end: End | null;
}

/** A run that has ended. */
export type EndedRun = Run & { end: End };

/** n-grams after a suffix, every field a list over its nodes, the suffix first; counts by where they were read. */
export interface Picture {
  text: string[];
  parent: number[];
  new: boolean[];
  [place: string]: any[];
}

export interface TrieLevel {
  kind: string;
  length: number;
  match: string[];
  picture: Picture;
}

/** Server functions answer `{error}` where they cannot. */
export type Answer<T> = T & { error?: string };

export interface TrieView {
  step: number;
  levels: TrieLevel[];
  size: { n_grams: number; bytes: number };
  earlier: { outputs: number; tokens: number } | null;
  corpus: { n_grams: number } | null;
}

export interface NodeSeen {
  where: string;
  matched: number;
  before: string;
  token: string;
  after: string;
}

export type Metrics = Record<string, number | null>;

export interface WhatIf {
  real: Metrics;
  estimate: Metrics;
  exact: boolean;
  again: number;
}

/** The questions that the page asks the server. */
export interface Server {
  steps(question: { run: string; from: number }): Promise<Answer<StepMessage>>;
  trie_view(question: { run: string; step: number; text: string }): Promise<Answer<TrieView>>;
  node_seen(question: { run: string; step: number; node: number }): Promise<Answer<NodeSeen>>;
  what_if(question: { run: string; config: Record<string, any> }): Promise<Answer<WhatIf>>;
  run_file(question: { run: string; beside: string | null }): Promise<Answer<{ text: string; note?: string }>>;
  open_run(question: { text: string; note: string }): Promise<Answer<{ messages: StepMessage[] }>>;
  graph_file(question: { run: string; step: number }): Promise<Answer<{ text: string }>>;
}

/** What Gradio hands to the stage. */
export interface Gradio {
  server: Server;
  props: { value: string };
  trigger(event: string, data: object): void;
}

/** The mounted stage. */
export interface Stage {
  /** Takes a value of the component. */
  receive(text: string): void;
  destroy(): void;
}

/** What a pane draws. Only `run` and `step` are needed: a pane may be anywhere, at a step that never changes. */
export interface State {
  run: Run;
  /** Index of the step; there may be no such step yet. */
  step: number;
  /** The runs that are shown side by side, this one among them. */
  runs?: Run[];
  /** Whether all runs of the scene have ended. Until then nothing that costs time is asked, since the runs are timed. */
  over?: boolean;
  /** Whether more steps of the run may come. */
  live?: boolean;
  playing?: boolean;
  /** Whether the race is shown over time, not over passes. */
  overTime?: boolean;
  /** The draft node that is pointed at or was clicked. */
  node?: number | null;
  /** Steps per second that are played. */
  speed?: number;
  /** Whether the newest step is shown as it comes. */
  following?: boolean;
  /** Whether the step was just chosen by hand. */
  byHand?: boolean;
}

/** What a pane may use of the page around it. It does without what is missing. */
export interface Context extends PageFacts {
  server: Server;
  /** Shows another step. */
  go?(step: number): void;
  /** Plays or pauses. */
  play?(playing: boolean): void;
  setSpeed?(stepsPerSecond: number): void;
  follow?(following: boolean): void;
  raceOver?(time: boolean): void;
  /** Puts another run of the scene on the stage. */
  show?(run: string): void;
  /** A draft node is pointed at (null: no more), or clicked. */
  point?(node: number | null): void;
  pin?(node: number | null): void;
  /** Saves the runs of the scene as a file; answers what there is to say about it. */
  save?(): Promise<string>;
  /** Opens a run file; answers what was wrong with it. */
  open?(file: File): Promise<string>;
}

export interface Pane {
  draw(state: State): void;
  /** Reads the layout; called after every pane of the page has drawn. */
  settle?(state: State): void;
  /** The width of its box has changed; the next draw is in full. */
  resize?(): void;
  destroy?(): void;
}

export type Mount = (box: HTMLElement, context: Context) => Pane;
