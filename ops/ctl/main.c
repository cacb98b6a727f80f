#include <stdio.h>

#include "common/cfg.h"
#include "ops/ctl/ctl.h"

static const struct ctl_command *const commands[] = {
    &ctl_cmd_submit, &ctl_cmd_watch,  &ctl_cmd_verify, &ctl_cmd_diagnose,
    &ctl_cmd_cancel, &ctl_cmd_doctor, &ctl_cmd_dev,
};

static void print_help(void)
{
    (void)printf(
        "causeway: send requests for private back-end connections of Azure Databricks workspaces, and follow them\n\n"
        "usage: causeway COMMAND [options]\n\ncommands\n");
    for (size_t i = 0; i < CW_ARRAY_LEN(commands); i++)
        (void)printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    (void)printf(
        "\n`causeway COMMAND --help` says more.  `causeway help settings` lists the connection settings, which are also\n"
        "read from the environment (CAUSEWAY_KAFKA_BROKERS, …).\n\n"
        "exit codes\n"
        "  0  done; with --wait: every verdict is succeeded or planned\n"
        "  1  done, and the answer is no: another verdict, or a failed check\n"
        "  2  wrong usage or input; nothing was sent\n"
        "  3  Kafka, Redis or Azure cannot be reached\n"
        "  4  no answer within --timeout\n");
}

static void print_command_help(const struct ctl_command *cmd)
{
    (void)printf("usage: causeway %s %s\n\n%s\n\n%s\n", cmd->name, cmd->args, cmd->summary, cmd->help);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (cw_z_eq(argv[i], "--help") || cw_z_eq(argv[i], "-h"))
            return true;
    return false;
}

static const struct ctl_command *find_command(const char *name)
{
    for (size_t i = 0; i < CW_ARRAY_LEN(commands); i++)
        if (cw_z_eq(commands[i]->name, name))
            return commands[i];
    return NULL;
}

static int help(int argc, char **argv)
{
    const char *topic = argc > 2 ? argv[2] : NULL;
    if (cw_z_eq(topic, "settings")) {
        cw_cfg_print_help(cw_settings_rows, cw_settings_row_count, stdout);
        return CTL_OK;
    }
    const struct ctl_command *cmd = topic == NULL ? NULL : find_command(topic);
    if (cmd == NULL)
        print_help();
    else
        print_command_help(cmd);
    return CTL_OK;
}

static int run_command(const struct ctl_command *cmd, int argc, char **argv)
{
    struct ctl ctl = {0};
    struct cw_err err = {0};
    if (wants_help(argc, argv)) {
        print_command_help(cmd);
        return CTL_OK;
    }
    if (cw_cfg_load(cw_settings_rows, cw_settings_row_count, &ctl.settings, &argc, argv, &err) < 0)
        return ctl_fail(cmd, &err);
    int code = cmd->run(&ctl, argc, argv);
    cw_cfg_fini(cw_settings_rows, cw_settings_row_count, &ctl.settings);
    return code;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        print_help();
        return CTL_USAGE;
    }
    if (cw_z_eq(name, "--help") || cw_z_eq(name, "-h") || cw_z_eq(name, "help"))
        return help(argc, argv);
    if (cw_z_eq(name, "--version")) {
        (void)printf("causeway %s\n", CW_VERSION);
        return CTL_OK;
    }
    const struct ctl_command *cmd = find_command(name);
    if (cmd == NULL) {
        (void)fprintf(stderr, "causeway: there is no command \"%s\"; `causeway --help` lists them\n", name);
        return CTL_USAGE;
    }
    return run_command(cmd, argc - 1, argv + 1);
}
