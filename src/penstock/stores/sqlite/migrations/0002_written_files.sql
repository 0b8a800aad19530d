-- Files that a pipeline writes: how far each is confirmed, and the mark by which that part of it is known again.

create table penstock_written_files (
    pipeline     text not null references penstock_pipelines (name) on delete cascade,
    path         text not null,
    length       integer not null,
    mark         text not null,
    published    text not null,
    primary key (pipeline, path)
) strict;
