-- What is due when a request ends is found by its request, in one look and not by reading every job that waits.
DROP INDEX job_withdraw;
DROP INDEX job_outcome;
CREATE INDEX job_of_end ON job (request) WHERE kind <> 'notify';
