"""A study as Slurm jobs: what was submitted, what the queue says of it, and what a job does when its time is up."""
