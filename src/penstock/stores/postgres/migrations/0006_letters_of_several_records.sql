-- A letter may stand for an unbroken run of records with one fault, as of a sensor that says nothing but NaN for an hour.

alter table penstock.dead_letters add column records bigint not null default 1;
comment on column penstock.dead_letters.records is 'How many refused records it stands for.';

alter table penstock.cleared_letters add column records bigint not null default 1;
