"""Who may what: Django's users, groups and permissions, asked for in one statement that is written by hand.

Every request of a program asks once. Django's two questions, put together by the ORM each time, would cost as much
processor as everything else that a worker's request does.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth import backends
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection

_PERMISSIONS = f"""
SELECT app_label, codename
FROM {Permission._meta.db_table} permission
JOIN {ContentType._meta.db_table} kind ON kind.id = permission.content_type_id
WHERE permission.id IN (
    SELECT permission_id FROM {User.user_permissions.through._meta.db_table} WHERE user_id = %s
    UNION ALL
    SELECT permission_id FROM {Group.permissions.through._meta.db_table}
    WHERE group_id IN (SELECT group_id FROM {User.groups.through._meta.db_table} WHERE user_id = %s)
)"""


class ModelBackend(backends.ModelBackend):
    """As Django's, with which it shares the cache on the user, that lives as long as the request."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        if not user_obj.is_active or user_obj.is_anonymous or user_obj.is_superuser or obj is not None:
            return super().get_all_permissions(user_obj, obj)
        if not hasattr(user_obj, "_perm_cache"):
            with connection.cursor() as cursor:
                cursor.execute(_PERMISSIONS, [user_obj.pk, user_obj.pk])
                user_obj._perm_cache = {f"{label}.{codename}" for label, codename in cursor.fetchall()}
        found: set[str] = user_obj._perm_cache
        return found
