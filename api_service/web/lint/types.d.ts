// Types of the pages' scripts: what the API sends, and what `h` takes.

type Catalog = typeof import("../messages/en.json");
type Plural = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

type Kind = "image" | "video";
type PerKind<T> = Record<Kind, T>;

type PopupProvider = "google" | "apple";

interface FirebaseOptions {
  apiKey: string;
  authDomain: string;
  projectId: string;
  providers: (PopupProvider | "email")[];
  sdkUrl: string;
  emulatorUrl: string | null;
}

interface Firebase {
  email: () => string;
  isVerified: () => boolean;
  refresh: () => Promise<void>;
  sendReset: (email: string) => Promise<void>;
  sendVerification: () => Promise<void>;
  signOut: () => Promise<void>;
  signUp: (email: string, password: string) => Promise<void>;
  token: (fresh?: boolean) => Promise<string | null>;
  withEmail: (email: string, password: string) => Promise<void>;
  withPopup: (provider: PopupProvider) => Promise<void>;
}

interface WebConfig {
  firebase: FirebaseOptions | null;
  costs: PerKind<number>;
  limits: { promptLength: number; captionLength: number; watched: number; count: number };
  formats: PerKind<string[]>;
  formatDefaults: PerKind<string>;
  durations: number[];
  durationDefault: number;
  typicalS: PerKind<number>;
  languages: Record<string, string>;
  getTokensUrl: string | null;
}

interface Media {
  creationId: string;
  type: Kind;
  aspectRatio: string;
  duration: number | null;
  mediaUrl: string | null;
  thumbnailUrl: string | null;
  caption: string | null;
  likeCount: number;
}

interface Creation extends Media {
  status: "pending" | "processing" | "draft" | "published" | "failed";
  stage: string | null;
  progress: number;
  isCancellable: boolean;
  attempt: number;
  model: string | null;
  width: number | null;
  height: number | null;
  prompt: string;
  cost: number;
  refunded: boolean;
  debits: number;
  error: { code: string; message: string; retryable: boolean } | null;
  createdAt: string;
  updatedAt: string;
  deadlineAt: string;
  retryAt: string | null;
  groupId: string | null;
  isKept: boolean;
  expiresAt: string | null;
  publishAt: string | null;
  scheduleError: { code: string; message: string } | null;
  sharing: { url: string | null; collaborators: string[]; showsPrompt: boolean };
}

interface PlayableTile {
  ratio: number;
  start: () => HTMLVideoElement;
  video?: HTMLVideoElement;
}

interface Publication extends Media {
  username: string;
  publishedAt: string;
  width: number | null;
  height: number | null;
}

interface Shared extends Omit<Media, "likeCount"> {
  username: string;
  prompt: string | null;
  mediaUrlExpiresAt: string | null;
  createdAt: string;
}

interface Session {
  username: string;
  token?: string;
  firebase?: boolean;
  isVerified?: boolean;
}

interface Changes {
  account: { tokenBalance: number } | null;
  creations: Creation[];
  gone: string[];
  isSnapshot: boolean;
}

type RequestOptions = Omit<RequestInit, "headers"> & {
  headers?: Record<string, string>;
  anonymous?: boolean;
  isPublic?: boolean;
  as?: string | null;
};

/** What belongs to this release: the server defines it for the service worker. */
declare const RELEASE: {
  version: string;
  folder: string;
  files: string[];
  offlinePages: string[];
  keptPages: string[];
};

declare var trustedTypes:
  | { createPolicy: (name: string, rules: TypePolicy) => { createScriptURL: (url: string) => string } }
  | undefined;
type TypePolicy = { createScriptURL: (url: string) => string | null };

interface Navigator {
  connection?: { saveData: boolean };
}

type Child = Node | string | null | false | undefined;
type TagOf<S extends string> = S extends `${infer Tag}.${string}` ? Tag : S;
type ElementOf<S extends string> =
  TagOf<S> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[TagOf<S>] : HTMLElement;
