import processes.models.fields
from django.db import migrations, models


def keep_the_history(apps, schema_editor):
    """The files of a history take what its pages take. Whoever could take them along goes on doing so."""
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    view = Permission.objects.filter(content_type__app_label="processes", codename="view_processinstance").first()
    if view is None:  # a new installation: nobody could do anything yet
        return
    kind, _ = ContentType.objects.get_or_create(app_label="processes", model="step")
    history, _ = Permission.objects.get_or_create(
        content_type=kind, codename="view_step", defaults={"name": "Can view step"}
    )
    for group in view.group_set.all():
        group.permissions.add(history)
    for user in view.user_set.all():
        user.user_permissions.add(history)


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('processes', '0017_cockpit_rights_audit'),
    ]

    operations = [
        migrations.AddField(
            model_name='minute',
            name='failed',
            field=processes.models.fields.VariablesField(blank=True, decoder=processes.models.fields.DecimalDecoder, default=None, encoder=processes.models.fields.DecimalEncoder, help_text='Failed attempts that are alike, by their fingerprint; a sample.', null=True),
        ),
        migrations.AddField(
            model_name='minute',
            name='times',
            field=processes.models.fields.VariablesField(blank=True, decoder=processes.models.fields.DecimalDecoder, default=None, encoder=processes.models.fields.DecimalEncoder, help_text='By job type: how many waited, and were worked on, for how long; a sample.', null=True),
        ),
        migrations.AlterField(
            model_name='incident',
            name='kind',
            field=models.CharField(choices=[('JOB_NO_RETRIES', 'No retries left'), ('INPUT_MAPPING', 'Input mapping'), ('OUTPUT_MAPPING', 'Output mapping'), ('CONDITION', 'Condition'), ('EXPRESSION', 'Expression'), ('DECISION', 'Decision'), ('UNHANDLED_ERROR', 'Unhandled error'), ('CALLED_ELEMENT', 'Called element'), ('ENDLESS_LOOP', 'Endless loop'), ('INTERNAL', 'Internal')], max_length=32),
        ),
        migrations.RunPython(keep_the_history, migrations.RunPython.noop),
    ]
