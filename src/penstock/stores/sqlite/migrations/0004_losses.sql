-- Records that did not come: summed by their causes, so that what is kept does not grow with the number of gaps. Times are microseconds
-- since 1970. Records that came and were let go for want of room are counted with the others.

alter table penstock_coverage add column shed integer not null default 0;

create table penstock_losses (
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    cause        text not null,
    gaps         integer not null,
    count        integer not null,
    uncounted    integer not null,
    since        integer,
    until        integer,
    primary key (pipeline, cause)
) strict, without rowid;
