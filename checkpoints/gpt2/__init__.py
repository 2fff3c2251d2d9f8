"""GPT-2 in the folders of Hugging Face, read and written."""
