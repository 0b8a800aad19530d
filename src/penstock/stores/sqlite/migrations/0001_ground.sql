-- What the engine keeps beside the data: who is at work, what is stored, what was refused, how runs ended.

create table penstock_pipelines (
    name         text primary key,
    source       text not null,
    target       text,
    fence        integer not null default 0,
    holder       text,
    beaten_at    real not null default 0,
    epoch        text,
    scope_start  blob,
    scope_end    blob,
    scope_rows   integer,
    facts        text
) strict;

create table penstock_coverage (
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    epoch        text not null,
    strand       blob not null,
    upto         blob not null,
    resume       blob not null,
    received     integer not null,
    stored       integer not null,
    duplicate    integer not null,
    refused      integer not null,
    repeated     integer not null,
    unchanged    integer not null,
    filtered     integer not null,
    primary key (pipeline, strand)
) strict, without rowid;

create table penstock_intents (
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    epoch        text not null,
    strand       blob not null,
    after        blob not null,
    after_resume blob not null,
    upto         blob not null,
    upto_resume  blob not null,
    times        integer not null default 1,
    primary key (pipeline, strand, after, after_resume)
) strict, without rowid;

create table penstock_dead_letters (
    id           integer primary key autoincrement,
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    fence        integer not null,
    refused_at   real not null,
    reason       text not null,
    origin       text not null,
    raw          blob not null
) strict;

create index penstock_dead_letters_pipeline on penstock_dead_letters (pipeline, id);

create table penstock_runs (
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    fence        integer not null,
    holder       text not null,
    started_at   real not null,
    ended_at     real,
    state        text not null default 'running',
    message      text not null default '',
    summary      text not null default '{}',
    primary key (pipeline, fence)
) strict, without rowid;
