// What the course hands to its pictures. Types only: nothing here reaches a browser.

import type { Answer, Source, StepMessage, Step } from '../types';

/** An answer that a visitor can choose, and what is said to whoever does. */
export interface Option { text: string; why: string; right?: boolean }

export interface Question { ask: string; options: Option[] }

export interface Chapter extends Question {
  slug: string; // its address
  title: string;
  text: string[]; // paragraphs; at most 90 words
  task: string;
  panes: string[]; // names of the panes of the Watch page that it explains
  signs?: string; // what the signs of those panes mean
}

/** What a chapter's picture may use. */
export interface Lesson {
  sources: Source[];
  ask<T>(name: string, question: object): Promise<Answer<T>>;
  need<T>(name: string): Promise<T>; // an answer without which there is no picture, but why there is none in its place
  done(noticed: string): void; // the task was done; in words what there is to see
}

export type Picture = (box: HTMLElement, lesson: Lesson) => void | Promise<void>;

export interface Costs { seconds: number[]; measured: boolean; model: string; bytes: number }

export interface TrieSoFar {
  tokens: [text: string, sentence: number][];
  read: number;
  trie: { text: string[]; id: number[]; parent: number[]; depth: number[]; count: number[]; new: boolean[]; added: number; again: number; held: number };
}

export interface SuffixLevel { length: number; next: [text: string, count: number][]; places: number[] }

export interface Suffixes { tokens: string[]; levels: SuffixLevel[]; most: number }

export interface Drafted {
  text: string[]; parent: number[]; p: number[]; count: number[];
  match: number; branches: number; expected: number; best: { text: string; probability: number; parent: number } | null;
  why: ({ times: number; of: number; length: number; sure: number; longer: boolean } | null)[]; // where the factor of a node is from; the last one is that of the best that is left
}

export interface Recorded { name: string; model: string; step: number; walks: number[]; message: StepMessage }

export interface Planted {
  step: Step; nodes: number[]; known: number; cut: boolean; accepted: number; emitted: number; before: number; same: boolean;
  texts: { past: string; after: string; now: string; rest: string };
}

export interface PayRow { name: string; tokens: number; passes: number; per_pass: number; width: number; needed: number; times_faster: number }

export interface Pays { rows: PayRow[]; needed: number }
