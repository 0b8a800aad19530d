-- Pipelines may bring newer versions of rows, and leave records out on purpose: both are counted.

alter table penstock.coverage
    add column unchanged bigint not null default 0,
    add column filtered  bigint not null default 0;
