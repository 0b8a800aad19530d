-- Tokens of leases: none is given out twice, also where a pipeline was forgotten and begun anew under its old name.

create table penstock_fences (last integer not null) strict;

insert into penstock_fences (last) select coalesce(max(fence), 0) from penstock_pipelines;
