"""Triggers, cron expressions, and the schedules made of them."""
