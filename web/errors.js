/** What a person can mend: a file or a choice. Its message completes a sentence that begins with the file's name. */
export class InputError extends Error {}
