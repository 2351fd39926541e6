"""Sharpen many images, on this machine or on a Ray cluster. A job is the files of one image."""

from crispseg.jobs.files import sharpen_files
from crispseg.jobs.job import Job, find_jobs
from crispseg.jobs.job_sharpener import JobSharpener, Runner
from crispseg.jobs.outcome import Failed, Outcome, Skipped, Written
from crispseg.jobs.outputs import Outputs
from crispseg.jobs.ray_cluster import RayCluster
from crispseg.jobs.this_machine import ThisMachine

__all__ = [
    "Failed",
    "Job",
    "JobSharpener",
    "Outcome",
    "Outputs",
    "RayCluster",
    "Runner",
    "Skipped",
    "ThisMachine",
    "Written",
    "find_jobs",
    "sharpen_files",
]
