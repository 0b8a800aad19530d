-- Records that did not come: summed by their causes, so that what is kept does not grow with the number of gaps. Times are microseconds
-- since 1970. Records that came and were let go for want of room are counted with the others.

alter table penstock.coverage add column shed bigint not null default 0;

create table penstock.losses (
    pipeline     text not null references penstock.pipelines (name) on delete cascade,
    cause        text not null,
    gaps         bigint not null,
    count        bigint not null,
    uncounted    bigint not null,
    since        bigint,
    until        bigint,
    primary key (pipeline, cause)
);
