DROP FUNCTION system_authenticate_staff(bytea, timestamptz, integer);
CREATE FUNCTION system_authenticate_staff(of_hash bytea, at timestamptz, idle_s integer)
    RETURNS TABLE (user_id uuid, session_id uuid, name text, role text, last_used_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT u.id, s.id, u.name, f.role, s.last_used_at
      FROM staff_sessions s JOIN staff f ON f.user_id = s.user_id JOIN users u ON u.id = s.user_id
     WHERE s.token_hash = of_hash AND s.ended_at IS NULL AND s.expires_at > at
       AND s.last_used_at > at - make_interval(secs => idle_s)
       AND f.enrolled_at IS NOT NULL AND f.disabled_at IS NULL AND u.realm = 'staff'
$$;
CALL system_function('system_authenticate_staff(bytea, timestamptz, integer)');
