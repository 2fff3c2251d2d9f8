"""Lesson 12: does it help?"""
