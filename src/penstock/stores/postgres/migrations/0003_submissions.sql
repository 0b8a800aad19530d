-- Attempts to submit what was extracted: a source counts them, so none may be made twice by mistake.

create table penstock.submissions (
    id           bigint generated always as identity primary key,
    source       text not null,
    pipeline     text not null,
    repository   text not null,
    ids          bigint not null,
    begun_at     timestamptz not null default now(),
    state        text not null default 'begun',
    status       integer,
    message      text not null default ''
);
comment on table penstock.submissions is 'Attempts to submit ids to a source, written before the first byte is sent. They outlive their pipeline, as the source''s own count does.';
