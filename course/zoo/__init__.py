"""The zoo: real bugs of public transformer code, put in one at a time, for the shipped instruments to find."""
