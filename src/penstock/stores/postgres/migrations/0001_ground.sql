-- What the engine keeps beside the data: who is at work, what is stored, what was refused, how runs ended.

create table penstock.pipelines (
    name         text primary key,
    source       text not null,
    target       text,
    fence        bigint not null default 0,
    holder       jsonb,
    beaten_at    timestamptz,
    settled_at   timestamptz,
    epoch        text,
    scope_start  bytea,
    scope_end    bytea,
    scope_rows   bigint,
    facts        json
);
comment on table penstock.pipelines is 'One row per pipeline: the identity of its source, its lease with fencing token, its frozen scope.';

create table penstock.coverage (
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    epoch        text not null,
    strand       bytea not null,
    upto         bytea not null,
    resume       bytea not null,
    received     bigint not null,
    stored       bigint not null,
    duplicate    bigint not null,
    refused      bigint not null,
    repeated     bigint not null,
    primary key (pipeline, strand)
);
comment on table penstock.coverage is 'Stored stretches of the source, from strand up to upto, and what became of their records. Written in the transaction of the rows.';

create table penstock.intents (
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    epoch        text not null,
    strand       bytea not null,
    after        bytea not null,
    after_resume bytea not null,
    upto         bytea not null,
    upto_resume  bytea not null,
    times        integer not null default 1,
    primary key (pipeline, strand, after, after_resume)
);
comment on table penstock.intents is 'Blocks whose write to a store without transactions was begun, so many times, and is not confirmed.';

create table penstock.dead_letters (
    id           bigint generated always as identity primary key,
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    fence        bigint not null,
    refused_at   timestamptz not null default now(),
    reason       text not null,
    origin       text not null,
    raw          bytea not null
);
create index dead_letters_pipeline on penstock.dead_letters (pipeline, id);
comment on table penstock.dead_letters is 'Records that could not be stored, as they were received. Written in the transaction of the rows around them.';

create table penstock.runs (
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    fence        bigint not null,
    holder       jsonb not null,
    started_at   timestamptz not null default now(),
    ended_at     timestamptz,
    state        text not null default 'running',
    message      text not null default '',
    summary      json not null default '{}',
    primary key (pipeline, fence)
);
comment on table penstock.runs is 'History: how each run ended, and what it proved. A run that was killed is marked interrupted by the next one.';
