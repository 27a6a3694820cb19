/* Where the user's files are, by the XDG base directory specification. */
#ifndef CINCEL_TUNE_FOLDERS_H
#define CINCEL_TUNE_FOLDERS_H

#include <stdbool.h>
#include <stddef.h>

/* `$VARIABLE/cincel`, else `$HOME/<below_home>/cincel`; false where neither is an absolute path. */
bool cincel_user_folder(const char *variable, const char *below_home, char *out, size_t size);

/* Makes the folder and those above it; true if it is there. */
bool cincel_make_folders(const char *folder);

#endif
