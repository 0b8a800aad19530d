-- A letter may stand for an unbroken run of records with one fault, as of a sensor that says nothing but NaN for an hour.

alter table penstock_dead_letters add column records integer not null default 1;
