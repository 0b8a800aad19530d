-- A pipeline can be forgotten whole, and letters be tried again or cleared, while what is proven of the rest stays true.

create sequence penstock.fences;
comment on sequence penstock.fences is 'Tokens of leases. None is given out twice, also where a pipeline was forgotten and begun anew under its old name.';
select setval('penstock.fences', coalesce(max(fence), 0) + 1, false) from penstock.pipelines;

alter table penstock.dead_letters add column strand bytea not null default '';
comment on column penstock.dead_letters.strand is 'The row of coverage whose counts this record is in.';

create table penstock.cleared_letters (
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    digest       bytea not null,
    cleared_at   timestamptz not null default now()
);
create index cleared_letters_pipeline on penstock.cleared_letters (pipeline, digest);
comment on table penstock.cleared_letters is 'SHA-256 of refused records that were deleted on request: a proof still counts them and knows them at the seams.';
