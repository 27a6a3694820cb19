/* The subcommands, a file each; argv[0] is the subcommand's name. They return an exit code. */
#ifndef CINCEL_CLI_COMMANDS_H
#define CINCEL_CLI_COMMANDS_H

int cli_doctor(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_generate(int argc, char **argv);
int cli_info(int argc, char **argv);
int cli_predict(int argc, char **argv);
int cli_profile(int argc, char **argv);
int cli_summary(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_tune(int argc, char **argv);

#endif
